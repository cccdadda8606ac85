"""A study of which every trial diverged."""

from __future__ import annotations

import numpy as np

from analysis.divergence import all_diverged
from analysis.record import StudyRecord
from analysis.report import build_report
from tests.analysis.synthetic_study import TWO_ARMS, changed, synthetic_record


def small() -> StudyRecord:
    return synthetic_record(arms=TWO_ARMS, budgets=(2,), draws=4, seeds=2)


def ruined(record: StudyRecord) -> StudyRecord:
    """Let every draw diverge; nothing is confirmed then."""
    tuned = record.trials[record.trials["phase"] == "tune"]
    lost = changed(record, lambda t: t["phase"] == "tune", outcome="diverged", diverged=True, validation=np.nan)
    return StudyRecord(
        rules=record.rules,
        trials=lost.trials.loc[tuned.index],
        evaluations=record.evaluations.iloc[:0],
        provenance={},
    )


def test_the_report_says_so_and_proposes_lower_rates_and_nothing_else() -> None:
    record = changed(ruined(small()), lambda t: t["draw"] >= 0, **{"setting.peak_lr": 3.0})
    record = changed(record, lambda t: t["draw"] == 1, **{"setting.peak_lr": 0.23})
    report = build_report(record)
    assert report.sentences == (
        "All 8 trials diverged, also at the lowest peak_lr, 0.23: there is nothing to compare. Search lower, such as "
        "search: {peak_lr: {log: [0.0002, 0.1]}}, in a study of another name (study: ...). If all diverge there too, "
        "look at the data and the network.",
    )
    assert report.headline == report.sentences[0]


def test_one_trial_that_did_not_diverge_is_enough_to_say_nothing() -> None:
    assert not all_diverged(changed(ruined(small()), lambda t: t.index == t.index[0], diverged=False))
    assert not all_diverged(small())


def test_without_learning_rates_on_record_none_is_proposed() -> None:
    record = ruined(small())
    bare = StudyRecord(
        rules=record.rules,
        trials=record.trials.drop(columns="setting.peak_lr"),
        evaluations=record.evaluations,
        provenance={},
    )
    assert "diverged: there is nothing to compare. Search lower learning rates, in" in all_diverged(bare)
