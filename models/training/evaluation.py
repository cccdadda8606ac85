"""The accuracy of a network, on parts of the data that no update sees."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.data.inputs import TrainingInputs, evaluation_batches
from models.data.prepared import Part, prepare, prepare_test
from models.streams import stream_seed
from models.training.batches import Batches
from models.training.forward import Forward, plain_forward
from models.training.process_state import ProcessState
from models.training.values import Training

_Mark = TypeVar("_Mark")

#: Examples, and numbers in their inputs, in one batch. On a CPU, activations should fit into its caches: ResNet-20
#: takes 0.3 ms per image of 32 x 32 in batches of 256, and 0.58 in batches of 2048. Elsewhere they bound the memory.
_MOST_ON_A_CPU = (1024, 2**19)
_MOST_ELSEWHERE = (8192, 2**23)


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """What the evaluations of one training read, and how.

    Args:
        training: what is trained.
        device: where.
        train: the part that updates see, from which statistics of batch norm are re-estimated.
        validation: the part that selection reads.
        test: the test part; None where it must not be read.
        forward: applies the network to a batch.
        state: of torch, for the time of a batch.
    """

    training: Training
    device: torch.device
    train: Part
    validation: Part
    test: Part | None
    forward: Forward
    state: ProcessState


def build_evaluator(training: Training, device: torch.device, state: ProcessState) -> Evaluator:
    """Load what the evaluations of a training read; the test part only if the training may read it.

    Raises:
        DataError: if the data set's files are not there.
    """
    parts = prepare(training.workload, device)
    return Evaluator(
        training=training,
        device=device,
        train=parts.train,
        validation=parts.validation,
        test=prepare_test(training.workload, device) if training.read_test else None,
        forward=plain_forward(training.workload, device),
        state=state,
    )


def evaluate(
    evaluator: Evaluator, network: nn.Module, mark: _Mark
) -> Generator[_Mark, None, tuple[float, float | None]]:
    """Return the accuracy on the validation and the test part, and yield `mark` after every batch.

    Args:
        evaluator: what is read, and how.
        network: what is evaluated; only its mode is changed.
        mark: what to yield.

    Returns:
        Shares of right answers in [0, 1]; None for a test part that is not read.
    """
    evaluated = network
    if evaluator.training.workload.norm_batches:
        evaluated = yield from _with_fresh_norm(evaluator, network, mark)
    evaluated.eval()
    validation = yield from _accuracy(evaluator, evaluated, evaluator.validation, mark)
    test = None
    if evaluator.test is not None:
        test = yield from _accuracy(evaluator, evaluated, evaluator.test, mark)
    return validation, test


def _accuracy(evaluator: Evaluator, network: nn.Module, part: Part, mark: _Mark) -> Generator[_Mark, None, float]:
    workload = evaluator.training.workload
    examples, numbers = _MOST_ON_A_CPU if evaluator.device.type == "cpu" else _MOST_ELSEWHERE
    batch_size = max(1, min(examples, numbers // math.prod(workload.input_shape)))
    correct = torch.zeros((), dtype=torch.int64, device=evaluator.device)
    for x, y in evaluation_batches(part, batch_size, channels_last=workload.channels_last):
        with torch.no_grad(), evaluator.state.at(0):
            correct += (evaluator.forward(network, x).argmax(dim=1) == y).sum()
        yield mark
    return int(correct) / len(part)


def _with_fresh_norm(evaluator: Evaluator, network: nn.Module, mark: _Mark) -> Generator[_Mark, None, nn.Module]:
    """Return a copy whose batch norms have the mean statistics of fresh batches instead of running averages.

    Running averages lag behind weights that move fast, the more the closer their momentum is to 0, and so favour
    schedules that end low. The batches are augmented, cut and ordered as in training, and the same in every evaluation
    of a training; all but batch norm is as in an evaluation.
    """
    workload = evaluator.training.workload
    fresh = copy.deepcopy(network).eval()
    norms = [part for part in fresh.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    if not norms:
        return fresh
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    with closing(other_inputs(evaluator)) as inputs:
        for _ in range(workload.norm_batches):
            x, _y = next(inputs)
            for rows in torch.split(x, workload.rows_at_once):
                with torch.no_grad(), evaluator.state.at(0):
                    evaluator.forward(fresh, rows)
            yield mark
    return fresh


def other_inputs(evaluator: Evaluator) -> TrainingInputs:
    """Return batches made like those of the training, from a stream of their own; to be closed."""
    training, workload = evaluator.training, evaluator.training.workload
    seed = stream_seed(training.seed, "statistics")
    order = Batches(len(evaluator.train), workload.batch_size, seed, evaluator.device)
    return TrainingInputs(
        evaluator.train, order, workload.augmentation, seed=seed, channels_last=workload.channels_last
    )
