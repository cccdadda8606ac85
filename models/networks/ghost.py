"""Batch normalisation over parts of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class GhostBatchNorm(_BatchNorm):
    """Normalise each part of a training batch by its own mean and variance, as each of several devices would.

    A batch of n examples is cut into ``n // ghost_batch_size`` parts, at least one, whose sizes differ by one at most.
    The running mean and variance move once per batch, by ``momentum``, towards the mean over the parts of theirs, so
    that ``momentum`` means the same as without parts. Evaluation is as in ``torch.nn.BatchNorm2d``.

    Args:
        num_features: channels.
        ghost_batch_size: smallest size of a part, >= 2.
        eps: added to variances.
        momentum: weight of the new batch in the running statistics, in (0, 1]; None for their plain mean so far.
        affine: scale and shift the result.

    Reference:
        Proposed by Hoffer, Hubara, Soudry (2017), "Train longer, generalize better", as Dimitriou and Arandjelović
        (2020), "A New Look at Ghost Normalization", tell; how the running statistics move is settled here.
    """

    def __init__(
        self,
        num_features: int,
        ghost_batch_size: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine)
        self.ghost_batch_size = ghost_batch_size

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 (torch's name)
        if input.dim() < 2:
            raise ValueError(f"expected a batch of at least two dimensions; got {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Return the batch normalised."""
        parts = max(len(input) // self.ghost_batch_size, 1)
        if not self.training or parts == 1:
            return super().forward(input)
        means = torch.zeros(parts, self.num_features, device=input.device)
        variances = torch.ones_like(means)
        normalised = [
            functional.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
            for part, mean, variance in zip(input.tensor_split(parts), means, variances, strict=True)
        ]
        self._move_running_statistics(means.mean(0), variances.mean(0))
        return torch.cat(normalised)

    def _move_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        if self.num_batches_tracked is None or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        weight = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)

    def extra_repr(self) -> str:
        """Return the settings, as a printed network shows them."""
        return f"{self.num_features}, ghost_batch_size={self.ghost_batch_size}, momentum={self.momentum}"


def with_ghosts(module: nn.Module, ghost_batch_size: int) -> nn.Module:
    """Put ghost batch normalisation in place of every batch normalisation, in place.

    Args:
        module: any network.
        ghost_batch_size: see `GhostBatchNorm`.

    Returns:
        The same network; where it is itself a normalisation, what takes its place.
    """
    if isinstance(module, _BatchNorm) and module.track_running_stats:
        ghost = GhostBatchNorm(module.num_features, ghost_batch_size, module.eps, module.momentum, module.affine)
        ghost.load_state_dict(module.state_dict(), assign=True)
        return ghost.train(module.training)
    for name, child in module.named_children():
        setattr(module, name, with_ghosts(child, ghost_batch_size))
    return module
