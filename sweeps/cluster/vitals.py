"""Whether the Ray that this process started still lives."""

from __future__ import annotations

from typing import Any

from ray._private import worker

#: Without any of these a cluster runs nothing; what watches logs or serves pages may go.
_VITAL = ("gcs_server", "raylet")


def dead_here() -> tuple[str, ...]:
    """Return which of Ray's vital processes, of those that this process started, have ended by themselves.

    Without its head service (``gcs_server``) Ray goes on for a minute and then ends the process that uses it, without a
    word that a user would understand.
    """
    node: Any = getattr(worker, "_global_node", None)  # another Ray may call it otherwise: nothing is known then
    dead = node.dead_processes() if hasattr(node, "dead_processes") else ()
    return tuple(sorted({name for name, _ in dead if name in _VITAL}))
