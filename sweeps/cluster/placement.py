"""Which cell runs on which kind of GPU, and how many trials at a time: decided from plain values, without Ray.

Times are compared between the arms of a cell, so all trials of a cell run on one kind.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sweeps.cluster.addresses import ClusterError, NoRoomError
from sweeps.errors import suggest
from sweeps.protocol import Cell, Phase, Trial
from sweeps.spec import Resources

#: A node carries one unit of the resource that names its kind; a trial takes a little of it, to be put there.
KIND_RESOURCE = "accelerator_type:"
_KIND_SHARE = 0.001

#: Ray counts resources in ten-thousandths.
_ROUNDING = 1e-4


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster, or several alike that its autoscaler can add.

    Args:
        cpu: cores that Ray may give to trials.
        gpu: GPUs, all of one kind.
        kind: the kind of its GPUs, as Ray calls it; None where it has none or Ray does not know it.
        count: how many there are, or can be.
    """

    cpu: float
    gpu: float = 0
    kind: str | None = None
    count: int = 1

    def slots(self, request: Resources) -> int:
        """Return how many trials fit on all `count` nodes: a trial cannot span two of them, nor share two GPUs."""
        fitting = _floor(self.cpu / request.cpu)
        if request.gpu:
            on_gpus = _floor(self.gpu / request.gpu) if request.gpu >= 1 else int(self.gpu) * _floor(1 / request.gpu)
            fitting = min(fitting, on_gpus)
        return fitting * self.count


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the trials of each cell run.

    Args:
        request: what one trial occupies.
        slots: trials at a time per kind of GPU; the only key is None where kinds do not matter.
        kinds: the kind of each cell, by its slug.
        notes: what the user should know, one sentence each.
        can_grow: the cluster may hold more than `slots`, and does not say how many more.
    """

    request: Resources
    slots: Mapping[str | None, int]
    kinds: Mapping[str, str | None]
    notes: tuple[str, ...] = ()
    can_grow: bool = False

    @property
    def total(self) -> int:
        """Return how many trials fit at a time."""
        return sum(self.slots.values())

    def limit(self, max_concurrent: int | None) -> int:
        """Return how many trials to run at a time, where the user wants at most `max_concurrent`."""
        if max_concurrent is None:
            return self.total
        return max_concurrent if self.can_grow else min(self.total, max_concurrent)

    def kind(self, cell: Cell) -> str | None:
        """Return the kind of GPU that all trials of `cell` run on, or None where there is nothing to choose."""
        return self.kinds[cell.slug]

    def shortage(self, nodes: Sequence[Node]) -> str:
        """Say which trials none of `nodes` could run, in a sentence; nothing where each has one."""
        could = {node.kind if kind else None for kind in self.slots for node in nodes if node.slots(self.request)}
        missing = sorted(kind or "" for kind in self.slots if kind not in could)
        if not missing:
            return ""
        on = f" on {' and '.join(missing)}" if missing != [""] else ""
        return f"No node has room for trials{on} at the moment; they wait for one."

    def bundle(self, cell: Cell) -> dict[str, float]:
        """Return the resources that a trial of `cell` asks Ray for."""
        return bundle(self.request, self.kind(cell))


def bundle(request: Resources, kind: str | None) -> dict[str, float]:
    """Return the resources that one trial asks Ray for, on a kind of GPU if one is given."""
    asked: dict[str, float] = {"CPU": request.cpu}
    if request.gpu:
        asked["GPU"] = request.gpu
    if kind:
        asked[f"{KIND_RESOURCE}{kind}"] = _KIND_SHARE
    return asked


def place(
    cells: Sequence[Cell],
    request: Resources,
    nodes: Sequence[Node],
    recorded: Mapping[str, Collection[str]],
    *,
    can_grow: bool = False,
) -> Placement:
    """Bind each cell to a kind of GPU, and count the trials that fit.

    A cell with recorded trials stays on their kind. The others are spread over the kinds, the longest first, so that
    each kind has work in proportion to the trials it can hold. Equal arguments give equal placements.

    Args:
        cells: the cells of the study.
        request: what one trial occupies, and the kind to use if the study names one.
        nodes: what the cluster has, and can get.
        recorded: the hardware that trials have run on, by the cell's slug, for cells that are not finished.
        can_grow: the cluster can get more than `nodes`, unknown how much.

    Raises:
        NoRoomError: not one trial fits.
        ClusterError: a cell was begun on a kind that is not there.
    """
    slots: dict[str | None, int] = {}
    for node in nodes:
        if fitting := node.slots(request):
            kind = node.kind if request.gpu else None
            slots[kind] = slots.get(kind, 0) + fitting
    notes = []
    if request.accelerator:
        slots = {kind: number for kind, number in slots.items() if kind == request.accelerator}
    if not slots:
        raise NoRoomError(_lacking(request, nodes))
    if len(slots) > 1 and None in slots:
        del slots[None]
        notes.append(
            "Nodes whose kind of GPU Ray does not know are left out. To use them, let their type or worker group have "
            f"the resource {KIND_RESOURCE}KIND: 1."
        )
    kinds, remarks = _bind(cells, request, slots, recorded)
    if len(slots) > 1:
        notes.append(_by_kind(cells, kinds))
    if can_grow:
        notes.append(
            f"The cluster may add nodes and does not say how many; {sum(slots.values())} trials at a time fit now. To "
            "let it grow, give --max-concurrent."
        )
    return Placement(request=request, slots=slots, kinds=kinds, notes=(*notes, *remarks), can_grow=can_grow)


def _bind(
    cells: Sequence[Cell], request: Resources, slots: Mapping[str | None, int], recorded: Mapping[str, Collection[str]]
) -> tuple[dict[str, str | None], list[str]]:
    """Return the kind of each cell, and what there is to say about it."""
    load = dict.fromkeys(slots, 0.0)
    kinds: dict[str, str | None] = {}
    remarks = []
    if None not in slots:
        for cell in cells:
            before = sorted(recorded.get(cell.slug, ()))
            known = [kind for kind in before if kind in slots]
            if before and not known and not request.accelerator:
                raise ClusterError(_begun_elsewhere(cell, before, slots))
            if set(before) - set(slots):
                remarks.append(f"{cell.slug} was begun on {' and '.join(before)}: its times mix kinds of GPU.")
            if known:
                kinds[cell.slug] = known[0]
                load[known[0]] += cell.budget.amount
    free = [cell for cell in cells if cell.slug not in kinds]
    for cell in sorted(free, key=lambda cell: (-cell.budget.amount, cell.slug)):
        kind = min(slots, key=lambda kind: ((load[kind] + cell.budget.amount) / slots[kind], kind or ""))
        kinds[cell.slug] = kind
        load[kind] += cell.budget.amount
    return kinds, remarks


def _floor(number: float) -> int:
    return math.floor(number + _ROUNDING)


def _by_kind(cells: Sequence[Cell], kinds: Mapping[str, str | None]) -> str:
    each = {kind: sum(kinds[cell.slug] == kind for cell in cells) for kind in sorted(set(kinds.values()), key=str)}
    told = ", ".join(f"{number} on {kind}" for kind, number in each.items())
    return f"Each cell stays on one kind of GPU, so that times compare: of {len(cells)} cells, {told}."


def _begun_elsewhere(cell: Cell, before: Sequence[str], slots: Mapping[str | None, int]) -> str:
    there = sorted(str(kind) for kind in slots)
    return (
        f"{cell.slug} was begun on {', '.join(before)}, and the cluster has {', '.join(there)} only: times measured on "
        "two kinds do not compare. Bring back the kind it was begun on, or give --set "
        f"resources.accelerator={there[0]} to go on all the same."
    )


def _lacking(request: Resources, nodes: Sequence[Node]) -> str:
    found = sorted({node.kind for node in nodes if node.kind})
    if request.accelerator and request.accelerator not in found:
        there = f"found: {', '.join(found)}." if found else "the cluster has no GPU whose kind Ray knows."
        return (
            f"resources.accelerator must be a kind that the cluster has; got {request.accelerator!r}. "
            f"{there[0].upper()}{there[1:]}{suggest(request.accelerator, found)}"
        )
    return (
        f"one trial needs {request.described} on one node, and the largest nodes have {_inventory(nodes)}. Change "
        "resources in the study file, or give another --address."
    )


def _inventory(nodes: Sequence[Node]) -> str:
    """Say what nodes there are, e.g. ``4 x (8 CPU, 1 GPU A100)``; the largest first, at most four sorts."""
    sorts: dict[str, int] = {}
    for node in sorted(nodes, key=lambda node: (-node.gpu, -node.cpu, str(node.kind))):
        gpu = f", {node.gpu:g} GPU" + (f" {node.kind}" if node.kind else "")
        sort = f"{node.cpu:g} CPU{gpu if node.gpu else ', 0 GPU'}"
        sorts[sort] = sorts.get(sort, 0) + node.count
    told = [f"{number} x ({sort})" if number > 1 else f"({sort})" for sort, number in sorts.items()]
    return ", ".join(told[:4]) or "nothing"


class Lanes:
    """Hand out trials so that one for a kind of GPU that is full holds up no other kind.

    Args:
        source: returns the next trial of the study, or None while there is none.
        placement: where the trials of each cell run.
    """

    def __init__(self, source: Callable[[], Trial | None], placement: Placement) -> None:
        self._source = source
        self._placement = placement
        self._running = dict.fromkeys(placement.slots, 0)
        self._again: dict[str | None, deque[Trial]] = {kind: deque() for kind in placement.slots}
        self._waiting: dict[tuple[str | None, Phase], deque[Trial]] = {
            (kind, phase): deque() for phase in ("confirm", "tune") for kind in placement.slots
        }

    def next(self) -> Trial | None:
        """Return a trial that has room, or None: first those put back, then in the order of the study."""
        for kind, again in self._again.items():
            if again and self._has_room(kind):
                return self._hand_out(again.popleft())
        for (kind, _), waiting in self._waiting.items():
            if waiting and self._has_room(kind):
                return self._hand_out(waiting.popleft())
        if not any(self._has_room(kind) for kind in self._running):
            return None
        while trial := self._source():
            kind = self._placement.kind(trial.cell)
            if self._has_room(kind):
                return self._hand_out(trial)
            self._waiting[kind, trial.phase].append(trial)
        return None

    @property
    def is_empty(self) -> bool:
        """Tell whether no trial waits for room."""
        return not any(self._again.values()) and not any(self._waiting.values())

    def ended(self, trial: Trial) -> None:
        """Free the room of a trial that was handed out."""
        self._running[self._placement.kind(trial.cell)] -= 1

    def put_back(self, trial: Trial) -> None:
        """Free the room of a trial that was lost, and hand it out again before others."""
        self.ended(trial)
        self._again[self._placement.kind(trial.cell)].append(trial)

    def _has_room(self, kind: str | None) -> bool:
        # One kind alone holds up no other, and may have grown since its slots were counted.
        return len(self._running) == 1 or self._running[kind] < self._placement.slots[kind]

    def _hand_out(self, trial: Trial) -> Trial:
        self._running[self._placement.kind(trial.cell)] += 1
        return trial
