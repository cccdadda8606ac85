"""Which settings of an arm do anything in a workload."""

from __future__ import annotations

from models.losses import takes_label_smoothing
from models.networks import check_network
from models.optimizers import OPTIMIZERS, has_momentum, has_weight_decay
from models.workload import Workload


def idle_reason(workload: Workload, setting: str) -> str:
    """Say why a setting of an arm does nothing in a workload, so that searching it would be a waste.

    What the workload names from elsewhere is imported for ``label_smoothing`` and ``bn_momentum``.

    Args:
        workload: what is trained.
        setting: a name of `models.settings.setting_names`.

    Returns:
        The reason; empty where the setting has its effect.
    """
    optimizer = f"torch.optim.{OPTIMIZERS[workload.optimizer].__name__}"
    if setting == "momentum" and not has_momentum(workload.optimizer):
        return f"{optimizer} has no momentum"
    if setting == "weight_decay" and not has_weight_decay(workload.optimizer):
        return f"{optimizer} has no weight decay"
    if setting == "label_smoothing" and not takes_label_smoothing(workload.loss):
        return f"the loss {workload.loss} has no argument label_smoothing"
    if setting == "bn_momentum" and not _has_batch_norm(workload):
        return f"the network {workload.network} has no batch norm"
    return ""


def _has_batch_norm(workload: Workload) -> bool:
    facts = check_network(workload.network, workload.input_shape, workload.num_classes, workload.network_settings)
    return facts.has_batch_norm
