"""How a network is applied to a batch: in which precision, and compiled or not."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor, nn

from models.workload import Workload

Forward: TypeAlias = Callable[[nn.Module, Tensor], Tensor]

#: What autocast computes in; weights, their updates and the loss stay in float32.
DTYPES: Mapping[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def cpu_computes_in(precision: str) -> bool:
    """Tell whether the CPU of this machine has instructions for a precision.

    Without them torch converts numbers on the way, and takes several times as long as in fp32.
    """
    return precision == "fp32" or any(
        has is True and precision in name for name, has in torch.cpu.get_capabilities().items()
    )


def plain_forward(workload: Workload, device: torch.device) -> Forward:
    """Return how a workload's network is evaluated: in the workload's precision, never compiled."""
    return _in_precision(_call, DTYPES[workload.precision], device)


def training_forward(workload: Workload, bn_momentum: float | None, device: torch.device) -> Forward:
    """Return how a workload's network is trained: in the workload's precision, and compiled if it asks for it.

    A network is compiled once per process for all trainings with networks and batches of the same shape, and with the
    same momentum of batch norm, which is a constant of the compiled code. On a GPU, torch records CUDA graphs where it
    finds that safe; not where gradients of parts of a batch add up, since those lie in the memory of the graph and the
    next part would overwrite them (https://github.com/pytorch/pytorch/issues/169545).

    Args:
        workload: what is trained.
        bn_momentum: what the arm sets; None for that of the network.
        device: where.
    """
    if not workload.compile:
        return plain_forward(workload, device)
    shape = (workload.rows_at_once, *workload.input_shape, workload.num_classes)
    what = (
        f"{workload.network} {sorted(workload.network_settings.items())} {shape} {workload.channels_last} {bn_momentum}"
    )
    with_graphs = device.type == "cuda" and workload.rows_at_once == workload.batch_size
    forward = _compiled(what, workload.precision, device.type, with_graphs=with_graphs)
    return _in_precision(forward, DTYPES[workload.precision], device)


def _call(network: nn.Module, x: Tensor) -> Tensor:
    return network(x)  # type: ignore[no-any-return]


def _in_precision(forward: Forward, dtype: torch.dtype | None, device: torch.device) -> Forward:
    if dtype is None:
        return forward

    def cast(network: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=dtype):
            return forward(network, x).float()

    return cast


@lru_cache
def _compiled(what: str, precision: str, device_type: str, *, with_graphs: bool) -> Forward:  # noqa: ARG001 - the key
    """Return a function of its own that compiles at its first call.

    torch keeps what it has compiled with the code of a function, and only a few versions of it; the code is copied so
    that many workloads in one process do not use them up.
    """
    own = types.FunctionType(_call.__code__.replace(co_name="compiled_call"), _call.__globals__)
    if not with_graphs:
        return torch.compile(own, dynamic=False)
    compiled = torch.compile(own, dynamic=False, mode="reduce-overhead")

    def marked(network: nn.Module, x: Tensor) -> Tensor:
        # Else an update that failed before its gradients were computed would count as going on.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return compiled(network, x)  # type: ignore[no-any-return]

    return marked
