"""Show what the searches found, and how far searching anew would change it."""

from __future__ import annotations

from analysis import wording
from analysis.rendering.section import Section
from analysis.rendering.sections.tuning_sentences import (
    NO_EFFECT,
    near_range,
    search_variance_sentences,
    tuning_sentences,
)
from analysis.rendering.text_table import TextTable, cell_table
from analysis.statistics.importance import FEWEST_DRAWS
from analysis.tables.contents import Report
from analysis.tables.rows.tuning import CrossingPoint, ImportanceRow


def tuning(report: Report) -> Section:
    """Show tuning curves, the response to peak_lr, and what mattered."""
    confidence = wording.confidence(report.design.alpha)
    margin = wording.margin(report.design.equivalence_margin)
    return Section(
        title="Tuning",
        note="A tuning curve is the median best validation accuracy of n random draws; its band holds for all n at "
        f"once at {confidence}, and is wider than it need be where draws come from a Sobol sequence. The near-optimal "
        f"region of a setting is where the running median of its draws is within {margin} of its highest. Diverged "
        "draws are marked ×, and count as worse than any other.",
        sentences=tuning_sentences(report),
        figures=("tuning", "response"),
        tables=(tuning_table(report), response_table(report), importance_table(report)),
    )


def search_variance(report: Report) -> Section:
    """Show how much of the spread of confirm runs comes from the search, and what that does to the differences."""
    return Section(
        title="Searching anew",
        note="Every search was repeated with other draws, and each winner ran on the same seeds. Standard deviations "
        f"are in percentage points, with {wording.confidence(report.design.alpha)} intervals; a variance estimated "
        "below 0 counts as 0. The intervals of the mean and of the difference hold for new searches on new seeds; "
        "those of the verdict hold for the winners found.",
        sentences=search_variance_sentences(report),
        tables=(search_variance_table(report),),
    )


def tuning_table(report: Report) -> TextTable:
    """Return draws, dimensions, divergence and the speed of every search."""
    numeric = ("dimensions", "draws", "draws per dimension", "diverged", "best in %", "draws to near best")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.dimensions) if row.dimensions else wording.NOTHING,
            str(row.draws) if row.searches == 1 else f"{row.searches} × {row.draws}",
            wording.number(row.draws_per_dimension, 1),
            f"{row.diverged} of {row.tried}",
            wording.percent(row.best),
            wording.number(row.draws_to_near_best),
            ", ".join(_crossing(crossing) for crossing in row.crossings) or wording.NOTHING,
        )
        for row in report.tuning
    )
    return cell_table(
        report,
        (*numeric, "crosses the control"),
        rows,
        numeric=frozenset(numeric),
        name="tuning",
        caption="What the draws of every arm found in validation accuracy.",
    )


def _crossing(crossing: CrossingPoint) -> str:
    """Write a crossing such as ``up at 4 draws (shown)``."""
    direction = "up" if crossing.overtakes else "down"
    return f"{direction} at {crossing.draws}{' (shown)' if crossing.shown else ''}"


def response_table(report: Report) -> TextTable:
    """Return the near-optimal region of every searched number."""
    numeric = ("best value", "share of range in %", "draws near best")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            row.dimension,
            wording.NOTHING if row.best_value is None else wording.setting(row.best_value),
            near_range(report, row),
            wording.NOTHING if near_range(report, row) == NO_EFFECT else wording.percent(row.width_share, 0),
            f"{row.near} of {len(row.validation)}",
        )
        for row in report.responses
    )
    return cell_table(
        report,
        ("dimension", numeric[0], "near-optimal region", *numeric[1:]),
        rows,
        numeric=frozenset(numeric),
        name="response",
        caption="Where the usual draw is near its best, by searched number.",
    )


def importance_table(report: Report) -> TextTable:
    """Return the share of variance that each dimension explains."""
    numeric = ("draws", "predicted in %")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.draws),
            wording.NOTHING if row.r2 is None else wording.percent(max(row.r2, 0.0), 0),
            _shares(row),
        )
        for row in report.importances
    )
    return cell_table(
        report,
        (*numeric, "share of variance in %"),
        rows,
        numeric=frozenset(numeric),
        prose=frozenset({"share of variance in %"}),
        name="importances",
        caption="Share of the variance of validation accuracy that each dimension explains, alone or with others: by a "
        "random forest, on draws that it has not seen.",
    )


def _shares(row: ImportanceRow) -> str:
    if row.shares is not None:
        ranked = sorted(row.shares.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {wording.percent(share, 0)}" for name, share in ranked)
    if row.r2 is None and row.draws >= FEWEST_DRAWS:
        return "nothing to explain: all draws are equally good"
    return f"cannot be told from {row.draws} draw{'' if row.draws == 1 else 's'}"


def search_variance_table(report: Report) -> TextTable:
    """Return means, standard deviations and differences of replicated searches."""
    numeric = (
        "searches",
        "seeds",
        "left out",
        "accuracy in %",
        "sd of searches",
        "sd of seeds",
        "difference in points",
    )
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.searches),
            str(row.seeds),
            str(row.left_out),
            _with_range(row.mean, row.ci_low, row.ci_high),
            _with_range(row.search_sd, row.search_sd_low, row.search_sd_high),
            _with_range(row.seed_sd, row.seed_sd_low, row.seed_sd_high),
            wording.points_with_interval(row.difference, row.difference_low, row.difference_high),
        )
        for row in report.search_variance
    )
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="search-variance",
        caption="Test accuracy over replicated searches: mean, standard deviation between searches and between seeds "
        "of one winner, and difference to the control.",
    )


def _with_range(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return wording.percent(value)
    return f"{wording.percent(value)} ({wording.percent(low)} to {wording.percent(high)})"
