"""Say how large differences are, whether other analyses agree, and what the seeds can show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from analysis import wording
from analysis.rendering.section import MOST_SENTENCES, Section
from analysis.rendering.text_table import TextTable, cell_table
from analysis.statistics.power import fewest_seeds_to_reject
from analysis.tables.contents import Report
from analysis.tables.rows import ComparisonRow, EffectRow, PowerRow, SensitivityRow
from analysis.whereabouts import joined, where

# From here on pairing by seed would save a fourth of the seeds or more.
NOTABLE_CORRELATION = 0.25
MOST_EXAMPLES = 3


def effect_sizes(report: Report) -> Section:
    """Show effects in several measures, other analyses beside the verdict, and all pairs of arms."""
    return Section(
        title="Effect sizes and sensitivity",
        note="Arms are equivalent where the thick interval lies within the grey margin. Hedges' g counts standard "
        "deviations over seeds; the probability that a seed of the arm beats one of the control counts ties half; the "
        "error ratio compares 1 - accuracy. The other analyses are a check on the verdict, which rests on none of "
        "them.",
        sentences=(
            *_about_effects(report),
            *_about_agreement(report),
            *_about_correlation(report),
            *_about_pairs(report),
        ),
        figures=("effects",),
        tables=(effect_table(report), sensitivity_table(report), pair_table(report)),
    )


def power(report: Report) -> Section:
    """Show what differences the seeds can show, and how many seeds it would take."""
    return Section(
        title="Power",
        note="Detectable is a true difference that is found four times in five. All is computed from the spread over "
        "seeds that was seen, which is itself an estimate: with 10 seeds per arm it is good to a factor of 0.75 to "
        "1.5, and numbers of seeds to its square.",
        sentences=_about_power(report),
        tables=(power_table(report),),
    )


def _contenders(report: Report) -> list[str]:
    """Return the tuned arms but the control, or all other arms where none is tuned."""
    others = [arm for arm in report.design.arms if arm.name != report.design.control]
    return [arm.name for arm in others if not arm.as_published] or [arm.name for arm in others]


def _about_effects(report: Report) -> tuple[str, ...]:
    """Say for the contenders how often and by how much they beat the control where the two differ most."""
    effects = {(row.workload, row.budget, row.arm): row for row in report.effects}
    by_arm = {name: [row for row in _differing(report) if row.arm == name] for name in _contenders(report)}
    largest = [(max(rows, key=_size), len(rows) > 1) for rows in by_arm.values() if rows]
    if len(largest) > MOST_SENTENCES:
        largest = sorted(largest, key=lambda found: -_size(found[0]))[:MOST_EXAMPLES]
    sentences = []
    for row, several in largest:
        effect = effects[row.workload, row.budget, row.arm]
        errors = "" if effect.error_ratio is None else f"; it makes {_ratio(effect)} times the errors"
        chance = _estimate(effect.improvement, effect.improvement_low, effect.improvement_high)
        seed = f"{row.arm} differs most {where(report.design, row)}: there a seed of it" if several else None
        beats = f"beats one of {row.control} with probability {chance}{errors}."
        sentences.append(f"{seed or f'A seed of {row.arm}'} {beats}")
    return tuple(sentences)


def _differing(report: Report) -> list[ComparisonRow]:
    return [row for row in report.comparisons if row.difference and not row.withheld]


def _size(row: ComparisonRow) -> float:
    return abs(row.difference or 0.0)


def _about_agreement(report: Report) -> tuple[str, ...]:
    judged = [row for row in report.sensitivity if row.agrees is not None]
    apart = [row for row in judged if not row.agrees]
    if not judged:
        return ()
    tests = _listed(
        name
        for name, verdict in (
            ("Welch's t test", "welch_verdict"), ("the paired t test", "paired_verdict"),
            ("Dunnett's test", "dunnett_verdict"),
        )
        if any(getattr(row, verdict) for row in judged)
    )  # fmt: skip
    if len(judged) == len(apart) == 1:
        return (f"{tests} would not all lead to the verdict: {_disagreement(report, apart[0])}.",)
    if not apart:
        every = "the only comparison" if len(judged) == 1 else f"all {len(judged)} comparisons"
        return (f"{tests} lead to the same verdict in {every}.",)
    listed = "; ".join(_disagreement(report, row) for row in apart[:MOST_EXAMPLES])
    more = f"; and {len(apart) - MOST_EXAMPLES} more" if len(apart) > MOST_EXAMPLES else ""
    return (f"{tests} all lead to the same verdict in {len(judged) - len(apart)} of {len(judged)} comparisons. "
            f"They differ for {listed}{more}.",)  # fmt: skip


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _disagreement(report: Report, row: SensitivityRow) -> str:
    verdict = _verdicts(report)[row.workload, row.budget, row.arm].verdict
    named = (("Welch", row.welch_verdict), ("paired", row.paired_verdict), ("Dunnett", row.dunnett_verdict))
    others = ", ".join(f"{name} {word}" for name, word in named if word and word != verdict)
    return f"{joined(row.arm, where(report.design, row))} ({verdict}, but {others})"


def _verdicts(report: Report) -> dict[tuple[str, float, str], ComparisonRow]:
    return {(row.workload, row.budget, row.arm): row for row in report.comparisons}


def _about_correlation(report: Report) -> tuple[str, ...]:
    found = [row.seed_correlation for row in report.sensitivity if row.seed_correlation is not None]
    if not found:
        return ()
    middle = median(found)
    outcome = (
        "so that the paired test is the sharper one here"
        if middle >= NOTABLE_CORRELATION
        else "so that pairing seeds gains little and the unpaired test loses little"
    )
    spread = f", from {_signed(min(found))} to {_signed(max(found))}" if len(found) > 1 else ""
    over = f" in the median over {len(found)} comparisons" if len(found) > 1 else ""
    return (f"Accuracies at the same seed correlate by {_signed(middle)}{over}{spread}, {outcome}.",)


def _about_pairs(report: Report) -> tuple[str, ...]:
    tested = [row for row in report.pairs if row.differs is not None]
    if not tested:
        return ()
    differ = sum(bool(row.differs) for row in tested)
    count = f"{differ} differ{'s' if differ == 1 else ''}" if differ else "none differs"
    withheld = sum(row.withheld for row in report.pairs)
    tail = f"; {withheld} more are withheld" if withheld else ""
    return (f"Of {len(tested)} pairs of tuned arms {count} after Holm's correction over all pairs{tail}.",)


def _about_power(report: Report) -> tuple[str, ...]:
    """Say, per workload, what the comparisons of tuned arms can show with these seeds and with more."""
    workloads, contenders = report.design.workloads, _contenders(report)
    compared = [row for row in report.power if row.arm in contenders]
    by_workload = {name: [row for row in compared if row.workload == name] for name in workloads}
    # A workload takes up to three sentences.
    if len(workloads) > MOST_SENTENCES // 3:
        groups = [(f"Over {len(workloads)} workloads, with", compared)]
    else:
        groups = [(f"On {name}, with" if len(workloads) > 1 else "With", rows) for name, rows in by_workload.items()]
    return tuple(sentence for begin, rows in groups if rows for sentence in _power_sentences(report, rows, begin))


def _power_sentences(report: Report, rows: Sequence[PowerRow], begin: str) -> Iterable[str]:
    seeds = f"{begin} {_span(sorted({n for row in rows for n in (row.n, row.n_control)}))} per arm"
    if not any(row.sd for row in rows):
        yield f"{seeds} the spread over seeds is not known, and nothing can be said about how many it would take."
        return
    comparisons = rows[0].comparisons
    corrected = f" after the correction for {comparisons} comparisons" if comparisons > 1 else ""
    possible = [row.significance_possible for row in rows]
    if not all(possible):
        none = "some comparisons can never" if any(possible) else "no comparison can ever"
        least = fewest_seeds_to_reject(report.design.alpha / comparisons)
        yield (
            f"{seeds} {none} be significant{corrected}, however large the difference: that takes at least {least} "
            "seeds."
        )
    detectable = [row.minimum_detectable_adjusted for row in rows if row.minimum_detectable_adjusted is not None]
    if detectable:
        low, high = (wording.percent(end(detectable)) for end in (min, max))
        span = low if low == high else f"{low} to {high}"
        yield f"{seeds} a difference below {span} points would be missed more than one time in five{corrected}."
    margin = f"±{wording.margin(report.design.equivalence_margin)}"
    needed = sorted(row.seeds_for_margin_adjusted for row in rows if row.seeds_for_margin_adjusted is not None)
    equal = sorted(row.seeds_for_equivalence for row in rows if row.seeds_for_equivalence is not None)
    if needed and equal:
        yield (
            f"{'There it' if begin.startswith('On ') else 'It'} would take {_span(needed)} per arm to find a "
            f"difference as large as the margin of {margin}, and {_span(equal)} to show that equal arms are equivalent."
        )


def _span(counts: Sequence[int]) -> str:
    low, high = counts[0], counts[-1]
    return f"{low} seed{'s' if low != 1 else ''}" if low == high else f"{low} to {high} seeds"


def _signed(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def _estimate(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return wording.NOTHING
    return _signed(value) if low is None or high is None else f"{_signed(value)} ({_signed(low)} to {_signed(high)})"


def _ratio(row: EffectRow) -> str:
    interval = "none" if row.error_ratio_low is None else "open_above" if row.error_ratio_high is None else "closed"
    return wording.times_with_interval(row.error_ratio, row.error_ratio_low, row.error_ratio_high, interval)


def effect_table(report: Report) -> TextTable:
    """Return the effects of every arm in every cell."""
    numeric = ("Hedges g", "P(beats control)", "error ratio", "equivalence p")
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            _estimate(row.hedges_g, row.hedges_g_low, row.hedges_g_high),
            _estimate(row.improvement, row.improvement_low, row.improvement_high),
            _ratio(row),
            wording.p_value(row.equivalence_p),
        )
        for row in report.effects
    )
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="effect-sizes",
        caption=f"Effects against the control with {wording.confidence(report.design.alpha)} intervals, and p of the "
        "test of equivalence.",
    )


def sensitivity_table(report: Report) -> TextTable:
    """Return the other analyses beside the verdict; p-values are adjusted over the study."""
    verdicts = _verdicts(report)
    numeric = ("Welch p", "Dunnett p", "paired p", "paired difference", "seed correlation")
    rows = []
    for row in report.sensitivity:
        comparison = verdicts[row.workload, row.budget, row.arm]
        agreement = {None: wording.NOTHING, True: "yes", False: "no"}[row.agrees]
        cells = (
            row.workload,
            wording.number(row.budget),
            row.arm,
            "withheld" if comparison.withheld else comparison.verdict,
            agreement,
            wording.p_value(row.welch_p_adjusted),
            wording.p_value(row.dunnett_p_adjusted),
            wording.p_value(row.paired_p_adjusted),
            wording.points_with_interval(row.paired_difference, row.paired_low, row.paired_high),
            _estimate(row.seed_correlation, row.seed_correlation_low, row.seed_correlation_high),
        )
        rows.append(cells)
    return cell_table(
        report,
        ("verdict", "others agree", *numeric),
        rows,
        numeric=frozenset(numeric),
        name="sensitivity",
        caption="Other analyses of the same comparisons; differences are in points, p-values adjusted over all "
        "comparisons of the study.",
    )


def pair_table(report: Report) -> TextTable:
    """Return every pair of tuned arms."""
    numeric = ("difference in points", "adjusted p")
    words = {None: wording.NOTHING, True: "yes", False: "no"}
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            row.other,
            wording.points_with_interval(row.difference, row.ci_low, row.ci_high),
            wording.p_value(row.p_adjusted),
            "withheld" if row.withheld else words[row.differs],
        )
        for row in report.pairs
    )
    return cell_table(
        report,
        ("against", *numeric, "differ"),
        rows,
        numeric=frozenset(numeric),
        name="all-pairs",
        caption="Every pair of tuned arms; p-values are adjusted by Holm's procedure over all pairs of the study.",
    )


def power_table(report: Report) -> TextTable:
    """Return detectable differences and seeds needed, for a single test and corrected for the study's comparisons."""
    numeric = (
        "seeds",
        "sd in points",
        "detectable",
        "corrected",
        "for margin",
        "for margin, corrected",
        "for equivalence",
    )
    rows = (
        (
            row.workload,
            wording.number(row.budget),
            row.arm,
            str(row.n) if row.n == row.n_control else f"{row.n} and {row.n_control}",
            *(wording.percent(v) for v in (row.sd, row.minimum_detectable, row.minimum_detectable_adjusted)),
            *(
                wording.NOTHING if count is None else str(count)
                for count in (row.seeds_for_margin, row.seeds_for_margin_adjusted, row.seeds_for_equivalence)
            ),
        )
        for row in report.power
    )
    return cell_table(
        report,
        numeric,
        rows,
        numeric=frozenset(numeric),
        name="power",
        caption="Differences in points detectable with 80 % power, and seeds per arm needed for a difference as large "
        "as the margin and for equivalence; by a single test, and corrected for all comparisons of the study.",
    )
