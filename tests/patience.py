"""Ray gives a node of its own 30 s to start, however busy the machine is; clusters of tests have longer."""

from __future__ import annotations

import time
from typing import Any

from ray._private import services

_SECONDS = 300.0


def start_patiently() -> None:
    """Let nodes that this process starts take as long as they need, up to five minutes, to be known to the head."""
    ask, wait = services.get_node, services.wait_for_node

    def asked_until_known(*args: Any, **settings: Any) -> Any:
        until = time.monotonic() + _SECONDS
        while True:
            try:
                return ask(*args, **settings)
            except RuntimeError:  # not known yet, or the head did not answer in time
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    services.get_node = asked_until_known
    services.wait_for_node = lambda head, socket, _: wait(head, socket, _SECONDS)
