import numpy as np
import pytest

from analysis.statistics.sequential import settled_after
from analysis.stopping import StoppingRule, differences_before_divergence, wants_another_block

RULE = StoppingRule(seeds=5, max_seeds=30, margin=0.005, alpha=0.05, num_comparisons=2)


def cell(blocks: int, gap: float = 0.05, seed: int = 0) -> dict[str, list[float | None]]:
    noise = np.random.default_rng(seed).normal(0, 0.01, size=(2, 40))[:, :blocks]
    return {"control": (0.8 + noise[0]).tolist(), "arm": (0.8 + gap + noise[1]).tolist()}


def wants(accuracies, waited_for=("arm",), rule=RULE):
    return wants_another_block(accuracies, "control", waited_for, rule)


def test_the_planned_blocks_run_in_any_case_and_no_more_than_the_most():
    assert wants(cell(4, gap=0.5))
    assert not wants(cell(30, gap=0.0005))


def test_a_cell_ends_at_the_block_that_settles_its_comparison():
    differences = np.subtract(cell(30)["arm"], cell(30)["control"])
    settled = int(settled_after(differences, 0.005, 0.025))
    assert 5 < settled < 30
    assert wants(cell(settled - 1))
    assert not wants(cell(settled))


def test_equivalence_settles_too():
    close = {"control": cell(12)["control"]}
    close["arm"] = [c + d for c, d in zip(close["control"], [0.0001, -0.0001, 0.0002] * 4, strict=True)]
    assert not wants(close)


def test_more_comparisons_ask_for_more_evidence():
    many = StoppingRule(seeds=5, max_seeds=30, margin=0.005, alpha=0.05, num_comparisons=100_000)
    settled = next(n for n in range(5, 31) if not wants(cell(n)))
    assert wants(cell(settled), rule=many)


def test_every_arm_that_is_waited_for_must_be_settled_and_others_need_not():
    open_arm = {**cell(20, gap=0.5), "other": cell(20, gap=0.004, seed=1)["arm"]}
    assert wants(open_arm, ("arm", "other"))
    assert not wants(open_arm, ("arm",))


def test_an_arm_that_diverged_is_not_waited_for_and_without_the_control_nothing_is():
    for name in ("arm", "control"):
        accuracies = cell(6, gap=0.001)
        accuracies[name][2] = None
        assert not wants(accuracies)
    assert not wants({"arm": cell(6)["arm"]})
    assert not wants({"control": cell(6)["control"]})


def test_equal_differences_are_never_settled():
    assert wants({"control": [0.8] * 20, "arm": [0.9] * 20})


def test_differences_end_before_the_first_block_without_a_value():
    assert differences_before_divergence([0.9, 0.8, None, 0.7], [0.5, 0.5, 0.5, 0.5]) == pytest.approx([0.4, 0.3])
    assert differences_before_divergence([], [0.5]).size == 0
