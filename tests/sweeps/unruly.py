"""Workloads that misbehave in the process that trains them, as users' networks do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from models.workload import Workload

Deed = Literal["none", "die", "freeze", "stall", "raise", "exhaust"]


class Unruly(Workload):
    """A workload that does something as it is trained.

    The loop asks for `num_train` once at the start of a training and once after every evaluation.

    Attributes:
        deed: what it does.
        at: at which asking it does it: 1 is the start, 3 after the second evaluation; 0 as the process that is to train
            it starts, before it can say anything.
        times: how often it does it in all, over all processes.
        folder: where it keeps count, and writes the id of each process that trains it.
        spared: id of the process in which it behaves: the one that made it.
    """

    deed: Deed = "none"
    at: int = 1
    times: int = 1_000
    folder: Path
    spared: int = Field(default_factory=os.getpid)
    _asked: int = PrivateAttr(0)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Arrive in another process, where what is imported or loaded may hang."""
        super().__setstate__(state)
        if self.deed != "none" and self.at == 0 and os.getpid() != self.spared and self._is_time():
            _do(self.deed)

    @property
    def num_train(self) -> int:
        """Count, misbehave, or answer."""
        if os.getpid() == self.spared:
            return super().num_train
        self._asked += 1
        if self._asked == 1:
            (self.folder / f"pid-{os.getpid()}").touch()
        if self.deed != "none" and self._asked == self.at and self._is_time():
            _do(self.deed)
        return super().num_train

    def _is_time(self) -> bool:
        for number in range(self.times):
            try:
                (self.folder / f"did-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def _do(deed: Deed) -> None:
    if deed == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif deed == "stall":
        time.sleep(3600)
    elif deed == "raise":
        raise ValueError("the shapes do not fit")
    elif deed == "exhaust":
        raise MemoryError
