"""Which settings do anything in a workload."""

from __future__ import annotations

from models.losses import takes_label_smoothing
from models.networks import check_network
from models.optimizers import OPTIMIZERS, has_momentum
from models.workload import Workload


def idle_reason(workload: Workload, setting: str) -> str:
    """Say why a setting does nothing in a workload, so that searching it would be a waste.

    What the workload names from elsewhere is imported for ``label_smoothing``, ``bn_momentum`` and ``norm_batches``.

    Args:
        workload: what is trained.
        setting: a name of `models.settings.setting_names`, or ``norm_batches`` of the workload.

    Returns:
        The reason; empty where the setting has its effect.
    """
    if setting == "momentum" and not has_momentum(workload.optimizer):
        return f"torch.optim.{OPTIMIZERS[workload.optimizer].__name__} has no momentum"
    if setting == "label_smoothing" and not takes_label_smoothing(workload.loss):
        return f"the loss {workload.loss} has no argument label_smoothing; give it one where it is to have this effect"
    if setting in {"bn_momentum", "norm_batches"} and not _has_batch_norm(workload):
        return f"the network {workload.network} has no batch norm"
    return ""


def _has_batch_norm(workload: Workload) -> bool:
    facts = check_network(workload.network, workload.input_shape, workload.num_classes, workload.network_settings)
    return facts.has_batch_norm
