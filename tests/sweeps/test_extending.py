from __future__ import annotations

from typing import Any

import pytest

from sweeps.extending import changes, extends, refusal, shown
from tests.sweeps.studies import tiny_data, tiny_study


def edited(**edit: Any) -> tuple[list[str], bool]:
    """Return what an edit of the tiny study changes, and whether it only extends it."""
    found = changes(tiny_study().recorded(), tiny_study(**edit).recorded())
    return [str(change) for change in found], extends(found)


def arms(**edit: Any) -> dict[str, Any]:
    return {"arms": {**tiny_data()["arms"], **edit}}


LINEAR = {"schedule": "linear"}
SECOND = {**tiny_data()["workloads"][0], "name": "digits-again", "batch_size": 50}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"tuning": {"draws": 5}}, ["tuning.draws was 3, is 5"]),
        ({"tuning": {"draws": 3, "searches": 2}}, ["tuning.searches was 1, is 2"]),
        ({"confirm": {"seeds": 4}}, ["confirm.seeds was 2, is 4"]),
        ({"budgets": {"updates": [4, 8, 16]}}, ["budgets.updates was [4, 8], is [4, 8, 16]"]),
        ({"workloads": [SECOND, tiny_data()["workloads"][0]]}, ["workloads.digits-again was absent, is there"]),
        (arms(linear=LINEAR), ["arms.linear was absent, is there"]),
        (
            {"tuning": {"draws": 5}, **arms(linear=LINEAR)},
            ["arms.linear was absent, is there", "tuning.draws was 3, is 5"],
        ),
    ],
)
def test_what_asks_for_more_of_the_same_extends_a_study(edit: dict[str, Any], said: list[str]) -> None:
    assert edited(**edit) == (said, True)


@pytest.mark.parametrize(
    "edit",
    [
        {"question": "Why?"},
        {"resources": {"cpu": 2}},
        arms(cosine={"schedule": "cosine", "reference": "a paper"}),
        {"workloads": [{**tiny_data()["workloads"][0], "data_root": "/elsewhere"}]},
        {"arms": dict(reversed(tiny_data()["arms"].items()))},
        {"budgets": {"updates": [8, 4]}},
    ],
)
def test_what_decides_no_result_is_no_change(edit: dict[str, Any]) -> None:
    assert edited(**edit) == ([], True)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"tuning": {"draws": 2}}, "tuning.draws was 3, is 2"),
        ({"tuning": {"draws": 3, "sampler": "random"}}, "tuning.sampler was sobol, is random"),
        ({"confirm": {"seeds": 2, "until": "decided"}}, "confirm.until was planned, is decided"),
        ({"budgets": {"updates": [8]}}, "budgets.updates was [4, 8], is [8]"),
        ({"budgets": {"epochs": [4, 8]}}, "budgets was [4, 8] updates, is [4, 8] epochs"),
        ({"control": "one_cycle"}, "control was cosine, is one_cycle"),
        ({"alpha": 0.01}, "alpha was 0.05, is 0.01"),
        ({"targets": [0.3, 0.5]}, "targets was [0.3], is [0.3, 0.5]"),
        ({"equivalence_margin": 0.01}, "equivalence_margin was 0.005, is 0.01"),
        ({"seed": 1}, "seed was 0, is 1"),
        ({"recording": {"evaluations": 3}}, "recording.evaluations was 2, is 3"),
        (
            {"workloads": [{**tiny_data()["workloads"][0], "batch_size": 50}]},
            "workloads.digits-mlp.batch_size was 100, is 50",
        ),
        (arms(cosine={"schedule": "linear"}), "arms.cosine.schedule was cosine, is linear"),
        (
            {"arms": {k: v for k, v in tiny_data()["arms"].items() if k != "published"}},
            "arms.published was there, is absent",
        ),
    ],
)
def test_what_makes_results_incomparable_is_refused(edit: dict[str, Any], said: str) -> None:
    found, harmless = edited(**edit)
    assert said in found
    assert not harmless


def test_the_order_of_dimensions_counts_because_it_decides_what_is_drawn() -> None:
    one, two = {"log": [0.01, 1.0]}, {"float": [0.8, 0.98]}
    before = tiny_study(search={"peak_lr": one, "momentum": two})
    after = tiny_study(search={"momentum": two, "peak_lr": one})
    assert before.protocol_hash() != after.protocol_hash()
    [change] = changes(before.recorded(), after.recorded())
    assert str(change) == "search was in the order peak_lr, momentum, is in the order momentum, peak_lr"
    assert not change.extends


def test_more_seeds_at_most_extend_a_study_that_stops_when_decided() -> None:
    confirm = {"seeds": 2, "until": "decided", "max_seeds": 4}
    before, after = tiny_study(confirm=confirm), tiny_study(confirm={**confirm, "max_seeds": 8})
    found = changes(before.recorded(), after.recorded())
    assert [str(change) for change in found] == ["confirm.max_seeds was 4, is 8"]
    assert extends(found)
    assert not extends(changes(after.recorded(), before.recorded()))


def test_a_study_recorded_before_a_field_existed_has_it_at_its_default() -> None:
    older = tiny_study().recorded()
    older["confirm"] = {"seeds": 2}
    del older["faults"]
    for arm in older["arms"].values():
        del arm["reference_accuracy"]
    assert changes(older, tiny_study().recorded()) == ()


def test_a_harmful_change_among_harmless_ones_is_the_one_that_is_shown() -> None:
    before, after = tiny_study(), tiny_study(tuning={"draws": 5}, alpha=0.01)
    message = refusal("tiny", changes(before.recorded(), after.recorded()))
    assert "\n  alpha was 0.05, is 0.01\n" in message
    assert "tuning.draws was" not in message
    assert "another name" in message


def test_many_changes_are_counted() -> None:
    many = {f"arm_{index}": LINEAR for index in range(20)}
    lines = shown(changes(tiny_study().recorded(), tiny_study(**arms(**many)).recorded())).splitlines()
    assert len(lines) == 13
    assert lines[-1] == "  and 8 more"
