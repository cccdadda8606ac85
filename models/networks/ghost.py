"""Batch normalisation over parts of a batch, and with running statistics that forget how they began."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from schedules.checks import complaint


class GhostBatchNorm(_BatchNorm):
    """Normalise each part of a training batch by its own mean and variance, as each of several devices would.

    A batch of n examples is cut into ``n // ghost_batch_size`` parts, at least one, whose sizes differ by one at most.
    The running mean and variance move once per batch, by ``momentum``, towards the mean over the parts of theirs, so
    that ``momentum`` means the same as without parts. Evaluation is as in ``torch.nn.BatchNorm2d``.

    Running statistics begin as mean 0 and variance 1, which count ``(1 - momentum) ** n`` after n batches. With
    ``debias`` they count nothing: batch k has the weight ``(1 - momentum) ** (n - k)`` over the sum of these weights.

    Args:
        num_features: channels.
        ghost_batch_size: smallest size of a part, >= 2; None for the whole batch.
        eps: added to variances.
        momentum: weight of the new batch in the running statistics, in (0, 1]; None for their plain mean so far.
        affine: scale and shift the result.
        debias: leave what the running statistics began as out of them.

    Reference:
        Proposed by Hoffer, Hubara, Soudry (2017), "Train longer, generalize better", as Dimitriou and Arandjelović
        (2020), "A New Look at Ghost Normalization", tell; how the running statistics move is settled here. Debiased,
        they are those of Caffe, src/caffe/layers/batch_norm_layer.cpp, which divides by the sum of the weights.
    """

    def __init__(
        self,
        num_features: int,
        ghost_batch_size: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        *,
        debias: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine)
        self.ghost_batch_size = ghost_batch_size
        self.debias = debias

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 (torch's name)
        if input.dim() < 2:
            raise ValueError(f"expected a batch of at least two dimensions; got {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """Return the batch normalised."""
        parts = max(len(input) // (self.ghost_batch_size or len(input)), 1)
        if not self.training or (parts == 1 and not self.debias):
            return super().forward(input)
        means = torch.zeros(parts, self.num_features, device=input.device)
        variances = torch.ones_like(means)
        normalised = [
            functional.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
            for part, mean, variance in zip(input.tensor_split(parts), means, variances, strict=True)
        ]
        self._move_running_statistics(means.mean(0), variances.mean(0))
        return torch.cat(normalised) if parts > 1 else normalised[0]

    def _move_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        if self.num_batches_tracked is None or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        weight = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        if self.debias and self.momentum:
            # A tensor, since a number that changes would be compiled anew at every update; in double precision, so that
            # the first batch has a weight of exactly 1.
            left = torch.pow(1 - self.momentum, self.num_batches_tracked.to(torch.float64))
            weight = (self.momentum / (1 - left)).to(mean.dtype)
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)

    def extra_repr(self) -> str:
        """Return the settings, as a printed network shows them."""
        settings = f"ghost_batch_size={self.ghost_batch_size}, momentum={self.momentum}, debias={self.debias}"
        return f"{self.num_features}, {settings}"


#: A class made from one of these may do more in its ``forward``, such as timm's that ends in a ReLU.
_REPLACED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def with_ghosts(network: nn.Module, ghost_batch_size: int | None, *, debias: bool = False) -> nn.Module:
    """Put ghost batch normalisation in place of every batch normalisation of torch, in place.

    Args:
        network: any network; a normalisation that it uses in several places stays one.
        ghost_batch_size: see `GhostBatchNorm`.
        debias: likewise.

    Returns:
        The same network; where it is itself a normalisation, what takes its place.

    Raises:
        ValueError: if there is batch normalisation of another class, which may do more than normalise.
    """
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    if others := sorted({type(norm).__name__ for norm in norms if type(norm) not in _REPLACED}):
        condition = "left out where batch normalisation is of another class than torch's BatchNorm1d, 2d and 3d"
        remedy = f"This network has {', '.join(others)}, which may do more than normalise."
        asked_for = {"ghost_batch_size": ghost_batch_size, "bn_debias": debias}
        raise ValueError(
            "\n".join(complaint(name, condition, value, remedy) for name, value in asked_for.items() if value)
        )
    ghosts = {id(norm): _ghost_of(norm, ghost_batch_size, debias=debias) for norm in norms}
    for path, part in list(network.named_modules(remove_duplicate=False)):
        if path and id(part) in ghosts:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, ghosts[id(part)])
    return ghosts.get(id(network), network)


def _ghost_of(norm: _BatchNorm, ghost_batch_size: int | None, *, debias: bool) -> GhostBatchNorm:
    ghost = GhostBatchNorm(norm.num_features, ghost_batch_size, norm.eps, norm.momentum, norm.affine, debias=debias)
    for name, parameter in norm.named_parameters():
        ghost.register_parameter(name, parameter)  # the same one: it may be frozen, or used elsewhere too
    for name, buffer in norm.named_buffers():
        ghost.register_buffer(name, buffer)
    return ghost.train(norm.training)
