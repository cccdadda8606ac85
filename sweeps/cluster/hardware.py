"""What a trial runs on, asked in the process that runs it."""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

import ray

from sweeps.cluster.placement import KIND_RESOURCE

_KIND_LABEL = "ray.io/accelerator-type"


@functools.cache
def hardware(uses_gpu: bool) -> str:
    """Return the kind of GPU that trials of this process run on, else the model of the CPU.

    Args:
        uses_gpu: the trial has a GPU.

    Returns:
        Ray's name for the GPU, such as ``A100``, where it knows the node's; else torch's.
    """
    return (_kind_of_node() or _kind_by_torch() or "unknown GPU") if uses_gpu else _cpu()


def _kind_of_node() -> str | None:
    """Return the kind by which Ray placed this process, else the label that Ray gives to the node."""
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    assigned: dict[str, float] = context.get_assigned_resources()  # type: ignore[no-untyped-call]
    # Within a placement group the name is followed by _group_ and the group's id.
    asked = next((name for name in assigned if name.startswith(KIND_RESOURCE)), "")
    labels: dict[str, Any] = context.get_node_labels()
    return asked.removeprefix(KIND_RESOURCE).partition("_group_")[0] or labels.get(_KIND_LABEL)


def _kind_by_torch() -> str | None:
    import torch  # noqa: PLC0415 (in the worker, which has it already)

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
