"""Answer Ctrl-C, SIGTERM and SIGHUP, all alike: the command ends in order, and with 130."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

from rich.control import Control
from rich.segment import ControlType

from sweeps.cli.console import err

EXIT_CODE = 130
_IMPORT = "<frozen importlib._bootstrap>"
#: What a spinner leaves is wiped away, and the cursor shown.
_CLEAN_LINE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), ControlType.SHOW_CURSOR)


def heed_interrupts() -> None:
    """Raise KeyboardInterrupt from now on, but end at once where a module is being imported.

    An exception in the middle of an import makes some libraries end the process with SIGABRT, torch among them.
    """
    _answer_by(_end_import_or_raise)


def something_to_end() -> None:
    """Raise KeyboardInterrupt in any case from now on: something is about to begin that must be ended in order."""
    _answer_by(_raise)


def _answer_by(handler: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, handler)  # type: ignore[arg-type]


def _end_import_or_raise(_number: int, frame: FrameType | None) -> NoReturn:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            err.control(_CLEAN_LINE)
            os._exit(EXIT_CODE)
        frame = frame.f_back
    raise KeyboardInterrupt


def _raise(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
