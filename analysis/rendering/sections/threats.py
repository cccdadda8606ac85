"""Show what threatens the verdicts: every check, the control against itself, and when seeds stopped being added."""

from __future__ import annotations

from analysis import wording
from analysis.rendering.check_groups import OUTCOMES, counted, outcome_of
from analysis.rendering.section import Section
from analysis.rendering.text_table import TextTable, cell_table
from analysis.tables.contents import Report
from analysis.tables.rows import CheckRow, NullPairsRow
from analysis.whereabouts import capital, joined


def threats(report: Report) -> Section:
    """Show every check with its evidence, those that did not pass first, and the A/A line."""
    return Section(
        title="Threats to validity",
        note="A check that fails withholds the verdicts that it touches; a warning does not. A check is unknown where "
        "the record lacks what it needs: it neither passes nor fails. Halves of the control's "
        "own seeds, compared like two arms, show what the comparison finds where there is nothing to find.",
        sentences=(*_counts(report), *_null_pairs_sentences(report)),
        tables=(checks_table(report), null_pairs_table(report)),
        open=any(check.status != "pass" for check in report.checks),
    )


def sequences(report: Report) -> Section:
    """Show how the comparisons of a study went whose seeds were added until its cells were decided."""
    if not report.sequences:
        return Section(title="Seeds until decided")
    design = report.design
    settled = [row for row in report.sequences if row.settled_after is not None]
    return Section(
        title="Seeds until decided",
        note="One seed at a time was added to every arm of a cell, and all were looked at after each. Intervals and p "
        "come from an e-process that allows for this; intervals of all comparisons hold together at every look with "
        f"{wording.confidence(design.alpha)} confidence, if differences are near normal.",
        sentences=(
            f"{len(settled)} of {len(report.sequences)} comparisons were settled with {design.confirm_seeds} to "
            f"{design.max_seeds} seeds. Only the p and intervals of the verdicts allow for the looks on the way: those "
            "of other tables describe the seeds that were run.",
        ),
        tables=(sequences_table(report),),
    )


def checks_table(report: Report) -> TextTable:
    """Return every check with its evidence and, where it did not pass, the remedy; the worst first."""
    ranked = sorted(report.checks, key=lambda check: OUTCOMES.index(outcome_of(check)))
    return TextTable(
        columns=("check", "status", "evidence"),
        num_keys=1,
        rows=tuple((check.title, outcome_of(check), _evidence(report, check)) for check in ranked),
        prose=frozenset({"check", "evidence"}),
        name="checks",
        caption="Conditions of a fair comparison, with what was seen.",
    )


def _evidence(report: Report, check: CheckRow) -> str:
    """Write evidence and remedy as sentences; a name at the beginning stays as it is."""
    evidence = check.evidence if check.evidence.endswith(".") else f"{check.evidence}."
    named = evidence.startswith(tuple(f"{arm.name} " for arm in report.design.arms))
    return joined(evidence if named else capital(evidence), check.remedy)


def _counts(report: Report) -> tuple[str, ...]:
    return (f"Of {len(report.checks)} checks {counted(report.checks)}.",) if report.checks else ()


def _null_pairs_sentences(report: Report) -> tuple[str, ...]:
    compared = [row for row in report.null_pairs if row.splits]
    if not compared:
        return ("The control has too few seeds to be compared with itself.",) if report.null_pairs else ()
    equivalent = sum((row.equivalent_rate or 0.0) >= 0.5 for row in compared)
    rates = [row.false_positive_rate or 0.0 for row in compared]
    alpha = wording.number(100 * report.design.alpha, 2)
    if equivalent:
        half = (
            f"In {equivalent} of {len(compared)} cells most splits are found equivalent: half as many seeds would do."
        )
    else:
        half = "In no cell are most splits found equivalent: half as many seeds would not do to show it at this spread."
    what = (
        "The e-process keeps this below alpha where differences are near normal"
        if report.sequences
        else "The permutation test keeps this at or below alpha by construction"
    )
    return (
        f"Split in two, the control's own seeds differ with p below {wording.number(report.design.alpha)} in "
        f"{_range(rates)} of the splits of a cell; {alpha} % are allowed. {what}, and splits of the same seeds "
        "overlap, so that this cannot show what all seeds have in common.",
        half,
    )


def _range(rates: list[float]) -> str:
    low, high = (wording.number(100 * rate, 1) for rate in (min(rates), max(rates)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def null_pairs_table(report: Report) -> TextTable:
    """Return the A/A comparisons, one row per cell."""
    numeric = ("seeds", "splits", "p below alpha in %", "after correction in %", "equivalent in %", "least p")
    return cell_table(
        report,
        numeric,
        (_null_pairs_row(row) for row in report.null_pairs if row.splits),
        numeric=frozenset(numeric),
        name="control-against-itself",
        caption="Halves of the control's own seeds compared like two arms.",
    )


def _null_pairs_row(row: NullPairsRow) -> tuple[str, ...]:
    return (
        row.workload,
        wording.number(row.budget),
        row.arm,
        str(row.n),
        f"{row.splits} ({'all' if row.exhaustive else 'drawn'})" if row.splits else wording.NOTHING,
        *(wording.percent(rate, 1) for rate in (row.false_positive_rate, row.corrected_rate, row.equivalent_rate)),
        wording.p_value(row.smallest_p),
    )


def sequences_table(report: Report) -> TextTable:
    """Return when each comparison was settled, and by what."""
    numeric = ("seeds", "settled after", "difference in points", "adjusted p")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            row.state,
            str(row.blocks),
            wording.NOTHING if row.settled_after is None else str(row.settled_after),
            wording.points_with_interval(row.difference, row.ci_low, row.ci_high),
            wording.p_value(row.p_adjusted),
        )
        for row in report.sequences
    )
    return cell_table(
        report,
        ("shown", *numeric),
        rows,
        numeric=frozenset(numeric),
        chips=frozenset({"shown"}),
        name="sequences",
        caption="Confidence sequences of the differences to the control.",
    )
