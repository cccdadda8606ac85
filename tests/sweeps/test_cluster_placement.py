"""Where trials may run, decided from plain values."""

from __future__ import annotations

import pytest

from models.workload import Budget
from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.capacity import addable, node_from
from sweeps.cluster.placement import Lanes, Node, place
from sweeps.protocol import Cell, Phase, Trial
from sweeps.spec import Resources


def cell(epochs: int, workload: str = "w") -> Cell:
    return Cell(workload, Budget(unit="epochs", amount=epochs))


def trial(of: Cell, index: int = 0, phase: Phase = "tune") -> Trial:
    return Trial(cell=of, arm="a", phase=phase, search=0, index=index, budget=of.budget, seed=0, settings={})


SHORT, LONG = cell(5), cell(20)


@pytest.mark.parametrize(
    ("node", "request_", "slots"),
    [
        (Node(cpu=8), Resources(cpu=1), 8),
        (Node(cpu=8), Resources(cpu=3), 2),
        (Node(cpu=1), Resources(cpu=0.1), 10),
        (Node(cpu=8, gpu=1), Resources(cpu=1, gpu=0.25), 4),
        (Node(cpu=8, gpu=2), Resources(cpu=1, gpu=0.3), 6),  # not 6.67: a trial is on one GPU
        (Node(cpu=8, gpu=4), Resources(cpu=1, gpu=0.6), 4),  # not 6: what is left of each GPU is lost
        (Node(cpu=8, gpu=3), Resources(cpu=1, gpu=2), 1),
        (Node(cpu=2, gpu=8), Resources(cpu=1, gpu=1), 2),  # cores run out first
        (Node(cpu=8, gpu=1, count=3), Resources(cpu=1, gpu=1), 3),
        (Node(cpu=0), Resources(cpu=0.01), 0),
    ],
)
def test_slots_are_counted_by_whole_trials_on_one_node(node: Node, request_: Resources, slots: int) -> None:
    assert node.slots(request_) == slots


def test_slots_of_nodes_add_up_but_their_remainders_do_not() -> None:
    placement = place([SHORT], Resources(cpu=3), [Node(cpu=4), Node(cpu=4), Node(cpu=4)], {})
    assert placement.total == 3  # not 12 // 3


def test_four_nodes_with_one_gpu_each_cannot_hold_a_trial_on_two() -> None:
    with pytest.raises(ClusterError, match=r"needs 1 CPU and 2 GPU on one node.*have 4 x \(8 CPU, 1 GPU A100\)\."):
        place([SHORT], Resources(gpu=2), [Node(cpu=8, gpu=1, kind="A100")] * 4, {})


def test_a_refusal_shows_the_sorts_of_nodes_there_are_the_largest_first() -> None:
    nodes = [Node(cpu=2), Node(cpu=8, gpu=1, kind="T4"), Node(cpu=2)]
    with pytest.raises(ClusterError, match=r"have \(8 CPU, 1 GPU T4\), 2 x \(2 CPU, 0 GPU\)\. Change resources"):
        place([SHORT], Resources(cpu=64), nodes, {})


A100, H100 = Node(cpu=8, gpu=2, kind="A100"), Node(cpu=8, gpu=4, kind="H100")
ONE_GPU = Resources(gpu=1)


def test_with_one_kind_of_gpu_every_cell_is_on_it() -> None:
    placement = place([SHORT, LONG], ONE_GPU, [A100, A100], {})
    assert placement.slots == {"A100": 4}
    assert placement.bundle(SHORT) == {"CPU": 1, "GPU": 1, "accelerator_type:A100": 0.001}
    assert placement.notes == ()


def test_trials_without_a_gpu_are_bound_to_no_kind() -> None:
    placement = place([SHORT], Resources(cpu=2), [A100, Node(cpu=4)], {SHORT.slug: {"AMD EPYC"}})
    assert placement.slots == {None: 6}
    assert placement.bundle(SHORT) == {"CPU": 2}


def test_gpus_whose_kind_ray_does_not_know_are_used_where_there_are_no_others() -> None:
    placement = place([SHORT], ONE_GPU, [Node(cpu=4, gpu=2)], {})
    assert placement.bundle(SHORT) == {"CPU": 1, "GPU": 1}
    mixed = place([SHORT], ONE_GPU, [Node(cpu=4, gpu=2), A100], {})
    assert mixed.slots == {"A100": 2}
    assert "left out" in mixed.notes[0]
    assert "accelerator_type:KIND" in mixed.notes[0]  # what to do about it


def test_all_trials_of_a_cell_are_on_one_kind_and_every_kind_has_work() -> None:
    cells = [cell(epochs, workload) for workload in ("u", "v", "w") for epochs in (5, 10, 20)]
    placement = place(cells, ONE_GPU, [A100, H100], {})
    load = {kind: sum(c.budget.amount for c in cells if placement.kind(c) == kind) for kind in ("A100", "H100")}
    assert load == {"A100": 35, "H100": 70}  # 2 slots against 4
    assert placement.notes == (
        "Each cell stays on one kind of GPU, so that times compare: of 9 cells, "
        f"{sum(placement.kind(c) == 'A100' for c in cells)} on A100, "
        f"{sum(placement.kind(c) == 'H100' for c in cells)} on H100.",
    )


def test_the_order_of_nodes_and_cells_does_not_matter() -> None:
    cells = [cell(epochs, workload) for workload in ("u", "v") for epochs in (5, 10, 20)]
    one = place(cells, ONE_GPU, [A100, H100], {})
    other = place(cells[::-1], ONE_GPU, [H100, A100], {})
    assert one.kinds == other.kinds


def test_a_cell_with_recorded_trials_stays_on_their_kind() -> None:
    for kind in ("A100", "H100"):
        placement = place([SHORT, LONG], ONE_GPU, [A100, H100], {LONG.slug: {kind}})
        assert placement.kind(LONG) == kind
        assert placement.kind(SHORT) != kind


def test_a_cell_whose_kind_has_gone_is_refused_with_the_way_out() -> None:
    with pytest.raises(ClusterError, match=r"w/epochs-20 was begun on V100, .* --set resources.accelerator=A100 "):
        place([SHORT, LONG], ONE_GPU, [A100], {LONG.slug: {"V100"}})
    going_on = place([SHORT, LONG], Resources(gpu=1, accelerator="A100"), [A100], {LONG.slug: {"V100"}})
    assert going_on.kind(LONG) == "A100"
    assert going_on.notes == ("w/epochs-20 was begun on V100: its times mix kinds of GPU.",)


def test_a_named_kind_is_the_only_one_used() -> None:
    placement = place([SHORT, LONG], Resources(gpu=1, accelerator="H100"), [A100, H100], {})
    assert placement.slots == {"H100": 4}
    assert {placement.kind(SHORT), placement.kind(LONG)} == {"H100"}


def test_a_misspelt_kind_lists_those_found() -> None:
    with pytest.raises(ClusterError, match=r"got 'A10O'\. Found: A100, H100\. Did you mean A100\?"):
        place([SHORT], Resources(gpu=1, accelerator="A10O"), [A100, H100], {})


def test_a_kind_that_is_there_but_too_small_is_told_from_a_misspelt_one() -> None:
    with pytest.raises(ClusterError, match="needs 1 CPU and 8 GPU H100 on one node"):
        place([SHORT], Resources(gpu=8, accelerator="H100"), [A100, H100], {})


def test_a_limit_of_the_user_goes_beyond_the_slots_only_where_the_cluster_can_grow() -> None:
    for can_grow, limit in ((False, 8), (True, 20)):
        placement = place([SHORT], Resources(cpu=1), [Node(cpu=8)], {}, can_grow=can_grow)
        assert [placement.limit(None), placement.limit(3), placement.limit(20)] == [8, 3, limit]
        assert any("--max-concurrent" in note for note in placement.notes) is can_grow


def test_a_kind_whose_nodes_have_all_gone_is_missed_in_a_sentence() -> None:
    placement = place([SHORT, LONG], ONE_GPU, [A100, H100], {})
    assert placement.shortage([A100, H100]) == ""
    assert placement.shortage([A100]) == "No node has room for trials on H100 at the moment; they wait for one."
    assert placement.shortage([A100, Node(cpu=0, gpu=4, kind="H100")]) == placement.shortage([A100])
    assert "on A100 and H100 at" in placement.shortage([])
    on_cpus = place([SHORT], Resources(cpu=1), [A100], {})
    assert on_cpus.shortage([Node(cpu=1)]) == ""
    assert on_cpus.shortage([Node(cpu=0)]) == "No node has room for trials at the moment; they wait for one."


def test_a_node_is_read_from_what_ray_says_of_it() -> None:
    resources = {"CPU": 8.0, "GPU": 2.0, "accelerator_type:A100": 1.0, "memory": 1e10, "node:10.0.0.1": 1.0}
    assert node_from(resources) == Node(cpu=8, gpu=2, kind="A100")
    assert node_from({"memory": 1e10}) == Node(cpu=0)


SCALING = {
    "max_workers": 10,
    "head_node_type": "head",
    "available_node_types": {
        "head": {"resources": {"CPU": 4}, "max_workers": 0},
        "gpu": {"resources": {"CPU": 8, "GPU": 1, "accelerator_type:A100": 1}, "max_workers": 6},
        "cpu": {"resources": {"CPU": 16}, "min_workers": 1},
    },
}


def test_an_autoscaler_can_add_what_is_not_there_yet_within_its_limits() -> None:
    assert addable(SCALING, {"head": 1, "gpu": 2}) == [Node(cpu=8, gpu=1, kind="A100", count=4), Node(cpu=16, count=8)]
    assert addable(SCALING, {"head": 1, "gpu": 5, "cpu": 5}) == []
    assert addable(SCALING, {"head": 1, "cpu": 8}) == [
        Node(cpu=8, gpu=1, kind="A100", count=2),
        Node(cpu=16, count=2),
    ]


def lanes_over(trials: list[Trial]) -> Lanes:
    placement = place([SHORT, LONG], ONE_GPU, [Node(cpu=2, gpu=1, kind="A"), Node(cpu=2, gpu=1, kind="B")], {})
    assert placement.kind(SHORT) != placement.kind(LONG)
    waiting = iter(trials)
    return Lanes(lambda: next(waiting, None), placement)


def test_a_full_kind_does_not_hold_up_the_other() -> None:
    lanes = lanes_over([trial(SHORT, 0), trial(SHORT, 1), trial(LONG, 0), trial(LONG, 1)])
    assert [lanes.next(), lanes.next(), lanes.next()] == [trial(SHORT, 0), trial(LONG, 0), None]
    lanes.ended(trial(SHORT, 0))
    assert [lanes.next(), lanes.next()] == [trial(SHORT, 1), None]


def test_confirm_trials_that_waited_go_before_tune_trials() -> None:
    lanes = lanes_over([trial(SHORT, 0), trial(SHORT, 1), trial(SHORT, 2, "confirm"), trial(LONG, 0)])
    assert [lanes.next(), lanes.next()] == [trial(SHORT, 0), trial(LONG, 0)]
    lanes.ended(trial(SHORT, 0))
    assert lanes.next() == trial(SHORT, 2, "confirm")


def test_a_trial_that_was_put_back_is_handed_out_first() -> None:
    lanes = lanes_over([trial(SHORT, 0), trial(SHORT, 1), trial(LONG, 0)])
    assert [lanes.next(), lanes.next()] == [trial(SHORT, 0), trial(LONG, 0)]
    lanes.put_back(trial(SHORT, 0))
    assert [lanes.next(), lanes.next()] == [trial(SHORT, 0), None]


def test_with_one_kind_the_order_of_the_study_is_kept() -> None:
    trials = [trial(SHORT, 0), trial(LONG, 0), trial(SHORT, 1)]
    waiting = iter(trials)
    lanes = Lanes(lambda: next(waiting, None), place([SHORT, LONG], ONE_GPU, [Node(cpu=1, gpu=1, kind="A")], {}))
    assert [lanes.next(), lanes.next(), lanes.next(), lanes.next()] == [*trials, None]
