"""Train a network under a schedule, as a generator of progress, and go on from a checkpoint."""

from __future__ import annotations

from models.settings import REQUIRED, check_settings, setting_names
from models.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
    training_identity,
)
from models.training.fitting import idle_reason
from models.training.forward import cpu_computes_in
from models.training.loop import Pause, evaluation_updates, train, train_with_pauses
from models.training.values import Progress, Training

__all__ = [
    "REQUIRED",
    "Checkpoint",
    "CheckpointError",
    "Pause",
    "Progress",
    "Training",
    "check_settings",
    "cpu_computes_in",
    "evaluation_updates",
    "idle_reason",
    "load_checkpoint",
    "remove_checkpoint",
    "save_checkpoint",
    "setting_names",
    "train",
    "train_with_pauses",
    "training_identity",
]
