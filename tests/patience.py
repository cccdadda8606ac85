"""A busy machine takes many times as long as an idle one: how long tests wait before they say that something hangs."""

from __future__ import annotations

import time
from typing import Any

PATIENCE_SECONDS = 500.0


def start_patiently() -> None:
    """Let Ray nodes that this process starts take as long as they need to be known to the head, instead of 30 s."""
    from ray._private import services

    ask, wait = services.get_node, services.wait_for_node

    def asked_until_known(*args: Any, **settings: Any) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return ask(*args, **settings)
            except RuntimeError:  # not known yet, or the head did not answer in time
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    services.get_node = asked_until_known
    services.wait_for_node = lambda head, socket, _: wait(head, socket, PATIENCE_SECONDS)
