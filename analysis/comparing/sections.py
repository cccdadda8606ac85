"""Put a comparison of two studies in order: what is shown first, under which heading, with which remark."""

from __future__ import annotations

from analysis import wording
from analysis.comparing import tables
from analysis.comparing.values import Comparison
from analysis.rendering.section import Section


def comparison_sections(comparison: Comparison) -> tuple[Section, ...]:
    """Return the parts of a comparison below its first screen, the most telling first."""
    confidence = wording.confidence(comparison.alpha)
    return (
        Section(
            title="Shared comparisons",
            tables=(tables.effect_table(comparison),),
            note="Differences to the control in percentage points, each with the interval of its own report; the "
            f"change is the second minus the first with its {confidence} interval, which is missing where runs are "
            "in both studies.",
            open=True,
        ),
        Section(
            title="Combined over both studies",
            tables=(tables.combination_table(comparison),),
            note=f"Weighted by inverse variance, with {confidence} intervals, as if both studies had measured one "
            "difference. A large Q says that they have not; I² is the share of Q beyond chance.",
            open=any(cell.combined is not None for cell in comparison.cells),
        ),
        Section(
            title="Rules that differ",
            tables=(tables.rule_table(comparison),),
            note="Under rules that change effects, differences are different quantities and are not combined.",
            open=bool(comparison.rules),
        ),
        Section(title="Comparisons of one study only", tables=(tables.unshared_table(comparison),)),
        Section(
            title="Ledgers",
            tables=(tables.ledger_table(comparison),),
            note="Over all workloads and budgets of each study. Updates charged count a diverged trial in full.",
        ),
        Section(title="The studies", tables=(tables.study_table(comparison),)),
        Section(title="How to read this", remarks=comparison_guide(comparison)),
    )


def comparison_guide(comparison: Comparison) -> tuple[str, ...]:
    """Return one remark per line on what is compared and what that does not say."""
    confidence = wording.confidence(comparison.alpha)
    return (
        "Workloads, budgets, arms and the control are matched by name. Reports do not say everything that a name "
        "stands for: versions of the data, the code and the machine may differ.",
        "agree: both verdicts are the same, and one that decides. contradict: better in one study and worse in the "
        "other. differ: equivalent in one of them only. open: undecided in at least one. withheld: without a verdict "
        "in at least one.",
        "One verdict that is significant and one that is not do not contradict each other; what changed is shown by "
        "the interval of the change.",
        f"The change has a Welch-type {confidence} interval from the spreads of all four samples. Intervals are not "
        "adjusted for their number.",
        "The combined difference is the mean of both, weighted by inverse variance (fixed effect), with Meier's "
        "variance, which allows for the weights being estimates. With two studies Q and I² can hardly tell chance "
        "from a real change.",
        "Nothing is combined where runs are in both studies, by their accuracies and their ids or seeds, where "
        "both have the same protocol and so the same seeds, where rules that change effects differ, or where a "
        "verdict is withheld.",
    )
