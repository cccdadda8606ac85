import pytest

from analysis.verdict import decide, decide_sequentially

CLEAN = {"alpha": 0.05, "withheld": ()}


@pytest.mark.parametrize(
    ("difference", "p_adjusted", "equivalent", "verdict"),
    [
        (0.02, 0.001, False, "better"),
        (-0.02, 0.001, False, "worse"),
        (0.02, 0.05, False, "undecided"),  # p must be below alpha, not at it
        (0.001, 0.8, True, "equivalent"),
        (0.001, 0.001, True, "equivalent"),
        (0.01, 0.3, False, "undecided"),
    ],
)
def test_rules_of_a_clean_comparison(difference, p_adjusted, equivalent, verdict):
    decision = decide(difference=difference, p_adjusted=p_adjusted, equivalent=equivalent, **CLEAN)
    assert decision.verdict == verdict
    assert not decision.withheld


def test_a_significant_difference_inside_the_margin_is_equivalent_and_marked():
    decision = decide(difference=0.001, p_adjusted=0.001, equivalent=True, **CLEAN)
    assert decision.significant_below_margin
    assert decision.reason == "the difference is significant but too small to matter"


def test_an_unclean_comparison_is_undecided_whatever_the_numbers_say():
    decision = decide(difference=0.3, p_adjusted=0.0, equivalent=False, alpha=0.05, withheld=["a run diverged", "why"])
    assert (decision.verdict, decision.withheld, decision.reason) == ("undecided", True, "a run diverged; why")


def test_without_numbers_there_is_no_verdict():
    decision = decide(difference=0.1, p_adjusted=None, equivalent=False, **CLEAN)
    assert (decision.verdict, decision.withheld) == ("undecided", True)
    assert decision.reason == "at least two seeds per arm are needed"


def test_rules_of_a_comparison_whose_seeds_were_added_until_decided():
    assert (
        decide_sequentially(state="undecided", significant=False, blocks=1).reason
        == "at least two seeds per arm are needed"
    )
    assert decide_sequentially(state="better", significant=True, blocks=9, withheld=["why"]).verdict == "undecided"
    assert decide_sequentially(state="contradictory", significant=True, blocks=9).withheld
    assert decide_sequentially(state="equivalent", significant=True, blocks=9).significant_below_margin
