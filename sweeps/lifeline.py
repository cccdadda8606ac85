"""Run a command for as long as the process that asked for it lives; run as a script, with the command as arguments.

Standard input is a pipe whose other end that process holds and never writes to. However it ends, by ``kill -9`` too,
the system closes that end, and the process group of this script is ended: the command and all that it has started.
Standard library only: it shall cost nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

_GRACE_SECONDS = 5.0


def main() -> int:
    """Run the command, and return its exit code as a shell would."""
    signal.signal(signal.SIGTERM, _outlive)
    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 (the command is our caller's)
    return code if code >= 0 else 128 - code


def _outlive(*_: object) -> None:
    """Wait for the command, which gets the signal too. Not SIG_IGN: the command would inherit that."""


def _end_with_the_pipe() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
