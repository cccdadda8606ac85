"""Measure what it costs to evaluate a schedule and a momentum policy, per update.

Every entry of the tables runs through a training of 10,000 updates in order, building it included; schedules also
behind a warm-up. Exits with 1 where the median of the rounds misses the aim of 2 microseconds.

Run with: python -m tests.benchmarks.schedules, or with the others: make bench
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

from schedules import MOMENTUM, SCHEDULES, build_schedule, setting_defaults

AIM_MICROSECONDS = 2.0
PEAK_LR = 0.3


def runs(total_steps: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured: its name, and how one whole run of it is evaluated."""

    def schedule_run(name: str, warmup_frac: float) -> Callable[[], object]:
        def run() -> object:
            settings = {"warmup_frac": warmup_frac} if warmup_frac else {}
            schedule = build_schedule(name, total_steps, settings)
            return [schedule(step) for step in range(total_steps)]

        return run

    def policy_run(name: str) -> Callable[[], object]:
        factors = [step / total_steps for step in range(total_steps)]

        def run() -> object:
            policy = MOMENTUM[name]()
            return [policy(factor, PEAK_LR) for factor in factors]

        return run

    for name in SCHEDULES:
        yield f"schedule {name}", schedule_run(name, 0.0)
        if "warmup_frac" not in setting_defaults(SCHEDULES[name]):
            yield f"schedule {name} behind a warm-up", schedule_run(name, 0.1)
    for name in MOMENTUM:
        yield f"momentum {name}", policy_run(name)


def microseconds_per_step(run: Callable[[], object], total_steps: int, rounds: int) -> list[float]:
    """Return the processor time that a step costs on average, in each round."""
    costs = []
    for _ in range(rounds):
        start = time.process_time()  # processor time: other processes on the machine do not count
        run()
        costs.append((time.process_time() - start) / total_steps * 1e6)
    return costs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    medians = {}
    print(f"{'microseconds per update':<46} median    min    max")
    for name, run in runs(options.steps):
        costs = microseconds_per_step(run, options.steps, options.rounds)
        medians[name] = statistics.median(costs)
        print(f"{name:<46} {medians[name]:6.2f} {min(costs):6.2f} {max(costs):6.2f}")
    missed = [name for name, cost in medians.items() if cost >= AIM_MICROSECONDS]
    print(f"aim: below {AIM_MICROSECONDS:g}; {'missed by ' + ', '.join(missed) if missed else 'met by all'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
