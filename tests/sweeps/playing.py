"""Play a protocol without training: trials end at once, with metrics made up from their settings and seeds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from sweeps.protocol import Outcome, Protocol, Trial, planned_trials
from sweeps.spec import Study


def score(trial: Trial) -> float:
    """Stand in for a training: a validation metric that settings and seed decide."""
    return random.Random(str((trial.key.split("/tune")[0], sorted(trial.settings.items())))).random()


def finish(trial: Trial) -> Outcome:
    return Outcome(key=trial.key, kind="finished", validation=score(trial))


def run_all(
    protocol: Protocol,
    order: random.Random | None = None,
    width: int = 3,
    finish: Callable[[Trial], Outcome] = finish,
) -> list[Trial]:
    """Run a protocol with `width` trials at a time that end in random order."""
    ran: list[Trial] = []
    while not protocol.is_done:
        while len(protocol.in_flight) < width and (trial := protocol.next_trial()):
            ran.append(trial)
        if not protocol.in_flight:
            break
        ended = (order or random.Random(0)).choice(protocol.in_flight)
        protocol.record(finish(ended))
    return ran


def planned_counts(study: Study) -> Counter[tuple[object, ...]]:
    counts: Counter[tuple[object, ...]] = Counter()
    for planned in planned_trials(study):
        counts[planned.cell.slug, planned.arm, planned.phase, planned.budget] += planned.trials
    return counts


def counts_of(trials: list[Trial]) -> Counter[tuple[object, ...]]:
    return Counter((trial.cell.slug, trial.arm, trial.phase, trial.budget) for trial in trials)
