"""What went wrong with a trial, what is done about it, and when a study should stop. Plain values in and out.

A trial is *lost* when its process or node is: it is run again, from its last checkpoint. It is *broken* when the code
that it runs raises: running it again would do no better. A trial that diverges has not failed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

FaultKind = Literal["lost", "preempted", "unbegun", "broken"]

#: A driver that was itself asleep for longer has not been watching; such a time is not counted as silence.
_LONGEST_LOOK_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why an attempt at a trial ended without a result.

    Args:
        kind: all but ``broken`` are run again, and only ``lost`` is counted against the retries: ``preempted`` is what
            its owner took the node away from, and ``unbegun`` what was given to a process that had died idle.
        message: what is known; its last line says it in a sentence.
    """

    kind: FaultKind
    message: str


def fault_of(error: BaseException | None, *, silent_minutes: float = 0.0, begun: bool = True) -> Fault:
    """Say what an error of Ray's means for the trial that it ended.

    Args:
        error: what Ray raised, if it is known; only its text and plain attributes are read.
        silent_minutes: how long the process had made no progress when it was ended for it; 0 if it was not.
        begun: whether the process had taken the trial; false where it had ended one before and died waiting for more.
    """
    if silent_minutes:
        return Fault(kind="lost", message=f"The trial was ended: it made no progress for {silent_minutes:g} minutes.")
    details = str(error or "").strip()
    if getattr(error, "preempted", False):
        return Fault(kind="preempted", message=f"{details}\nThe trial's node was taken back by its owner.")
    if getattr(error, "actor_init_failed", False) or hasattr(error, "as_instanceof_cause"):
        return Fault(kind="broken", message=details)
    if not begun:
        return Fault(kind="unbegun", message=f"{details}\nThe process that was to run the trial had died.".strip())
    return Fault(kind="lost", message=f"{details}\n{_loss(details)}".strip())


def unreadable_fault(report: str) -> Fault:
    """Say what it means that an exception of the trial's code cannot be read back in the launching process.

    An exception whose class takes other arguments than it keeps cannot be unpickled. Ray's own, by which a loss is
    told, can.

    Args:
        report: text of the failure, as Ray or Tune wrote it.
    """
    _, found, original = report.partition("Original exception:\n")
    return Fault(kind="broken", message=(original if found else report).strip() or "an exception that cannot be read")


def is_unreadable(report: str) -> bool:
    """Tell whether Ray says in a report that it could not read an exception back."""
    return "Failed to deserialize exception" in report


def _loss(details: str) -> str:
    if "low on memory" in details:
        return "The trial's process was ended because its node ran low on memory."
    if "node" in details and "died" in details.partition("node")[2][:40]:
        return "The trial's node was lost."
    return "The trial's process died (killed, crashed, or out of memory)."


def runs_again(kind: FaultKind, losses: int, retries: int) -> bool:
    """Tell whether a trial is run again.

    Args:
        kind: of the last fault.
        losses: attempts at the trial that were lost, this one included, since one got further than all before it.
        retries: how many losses are forgiven.
    """
    return kind in {"preempted", "unbegun"} or (kind == "lost" and losses <= retries)


def signature(error: str) -> str:
    """Return what equal failures have in common: the type of the exception and the last frame of its traceback.

    Args:
        error: text of a traceback, or a message.
    """
    lines = [line for line in error.splitlines() if line.strip()]
    frames = [index for index, line in enumerate(lines) if line.lstrip().startswith('File "')]
    if not frames:
        return lines[-1].strip() if lines else "no message"
    path, _, place = lines[frames[-1]].strip().removeprefix('File "').partition('", ')
    raised = next((line for line in lines[frames[-1] + 1 :] if not line.startswith(" ")), "an exception")
    return f"{raised.partition(':')[0]} in {'/'.join(PurePath(path).parts[-2:])}, {place}"


def halt_message(failures: Mapping[str, int], stop_after: int) -> str:
    """Say why no more trials should be started; empty if there is no reason.

    Args:
        failures: number of failed trials by `signature`.
        stop_after: equal failures that are enough.
    """
    for reason, number in failures.items():
        if number >= stop_after:
            return (
                f"{number} equal failures: {reason.removesuffix('.')}. No more trials were started; all that had ended "
                "are safe. Launch again when it is mended (faults.stop_after in the study file says how many are "
                "enough)."
            )
    return ""


@dataclass
class Silence:
    """How long each trial that runs has given no sign of life.

    Args:
        limit_seconds: how long is too long.
    """

    limit_seconds: float
    _seconds: dict[str, float] = field(default_factory=dict)
    _looked_at: float | None = None

    def heard(self, trial_id: str) -> None:
        """Take note of a sign of life."""
        self._seconds[trial_id] = 0.0

    def ended(self, trial_id: str) -> None:
        """Watch a trial no more."""
        self._seconds.pop(trial_id, None)

    def look(self, running: list[str], now: float) -> list[str]:
        """Return the trials that have been silent for too long; each is named once.

        Args:
            running: the trials that run now.
            now: a clock in seconds that only moves forward.
        """
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, _LONGEST_LOOK_SECONDS)
        self._looked_at = now
        before, self._seconds = self._seconds, {}
        overdue = []
        for trial_id in running:
            self._seconds[trial_id] = before.get(trial_id, -passed) + passed
            if self._seconds[trial_id] >= self.limit_seconds:
                overdue.append(trial_id)
                self._seconds[trial_id] = 0.0  # ended by now; if not, it is named again after as long
        return overdue
