"""Play rounds of chaos: ``python -m tests.chaos --rounds 100 --seed 0``; ``--rounds 1 --seed N`` replays one."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from tests.chaos.rounds import Round, play, play_calm
from tests.chaos.stage import staged


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first round; the next is one more")
    parser.add_argument("--logs", type=Path, help="folder for the logs of the rounds that went wrong")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so long")
    options = parser.parse_args()
    began, played = time.monotonic(), list[Round]()
    with staged() as stage:
        calm = play_calm(stage)
        print(f"undisturbed: {len(calm.ledger.ended)} trials, the first after {calm.start_seconds:.1f} s", flush=True)
        for seed in range(options.seed, options.seed + options.rounds):
            if time.monotonic() - began > 60 * options.minutes:
                break
            played.append(play(stage, calm, seed))
            print(played[-1], flush=True)
            if played[-1].wrong:
                _show(played[-1], options.logs)
    print(summary(played, (time.monotonic() - began) / 60))
    return 1 if any(each.wrong for each in played) else 0


def summary(played: list[Round], minutes: float) -> str:
    wrong = [str(each) for each in played if each.wrong]
    hit = sum((each.landed for each in played), Counter[str]())
    struck = ", ".join(f"{number} x {kind}" for kind, number in hit.most_common())
    lines = [
        f"{len(played) - len(wrong)} of {len(played)} rounds as undisturbed, {minutes:.0f} minutes",
        f"{sum(len(each.codes) for each in played)} launches; {struck}",
        f"{sum(each.attempts > 1 for each in played)} rounds with a trial that was begun more than once in a launch",
    ]
    return "\n".join([*lines, "those that went wrong:", *wrong] if wrong else lines)


def _show(played: Round, logs: Path | None) -> None:
    print(played.log_text, flush=True)
    if logs:
        logs.mkdir(parents=True, exist_ok=True)
        shutil.copy(played.log, logs / f"seed-{played.seed}.log")


if __name__ == "__main__":
    sys.exit(main())
