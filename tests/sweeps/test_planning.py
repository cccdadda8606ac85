from __future__ import annotations

import pytest

from sweeps.planning import balance_note, cell_plans
from tests.sweeps.studies import tiny_study


@pytest.mark.parametrize(("draws", "powers"), [(3, "2 or 4"), (20, "16 or 32"), (1000, "512 or 1024")])
def test_draws_that_no_power_of_two_balances_are_said_with_the_nearest_that_would(draws: int, powers: str) -> None:
    assert balance_note(tiny_study(tuning={"draws": draws})) == (
        f"Sobol points balance best at powers of two: {powers} draws rather than {draws}."
    )


@pytest.mark.parametrize("tuning", [{"draws": 1}, {"draws": 16}, {"draws": 20, "sampler": "random"}])
def test_there_is_nothing_to_say_of_a_power_of_two_or_another_sampler(tuning: dict[str, object]) -> None:
    assert not balance_note(tiny_study(tuning=tuning))


def test_the_updates_of_a_plan_count_every_rung_at_its_own_budget() -> None:
    halved = tiny_study(tuning={"draws": 8, "halving": {"factor": 2, "rungs": 2}}, budgets={"updates": [64]})
    [plan] = cell_plans(halved)
    assert (plan.tune_trials, plan.confirm_trials) == (2 * (8 + 4), 3 * 2)
    assert plan.updates == 2 * (8 * 32 + 4 * 64) + 3 * 2 * 64
