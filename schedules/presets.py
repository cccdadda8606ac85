"""Shapes that others have published, by name: a schedule with its settings, without a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A schedule as it was published.

    Args:
        schedule: key of ``schedules.SCHEDULES``.
        settings: its settings by name; what is missing has its default.
        reference: where the settings are from, and which peak rate went with them.
    """

    schedule: str
    settings: Mapping[str, Any] = field(hash=False)  # a read-only mapping has no hash; equal presets have equal ones
    reference: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _preset, (self.schedule, dict(self.settings), self.reference)


def _preset(schedule: str, settings: Mapping[str, Any], reference: str) -> Preset:
    """Build a preset again from its pickle, which cannot hold a read-only mapping."""
    return Preset(schedule=schedule, settings=settings, reference=reference)


_PRESETS: Mapping[str, Preset] = {
    "smith_topin_steps": Preset(
        schedule="piecewise",
        settings={"milestones": (0.625, 0.875), "factor": 0.1},
        reference="Smith and Topin, Super-Convergence (arXiv 1708.07120), baseline: solver.prototxt of their code, "
        "0.35, x 0.1 at 50,000 and 70,000 of 80,000 updates",
    ),
    "he_steps": Preset(
        schedule="piecewise",
        settings={"milestones": (0.5, 0.75), "factor": 0.1},
        reference="He et al., Deep Residual Learning (2016), on CIFAR-10, as in trainer.py of "
        "akamaster/pytorch_resnet_cifar10: 0.1, x 0.1 at epochs 100 and 150 of 200",
    ),
    "zagoruyko_steps": Preset(
        schedule="piecewise",
        settings={"milestones": (0.3, 0.6, 0.8), "factor": 0.2},
        reference="Zagoruyko and Komodakis, Wide Residual Networks (2016): scripts/train_cifar.sh of "
        "szagoruyko/wide-residual-networks, 0.1, x 0.2 at epochs 60, 120 and 160 of 200",
    ),
    # Milestone 35,398 stands behind 36,619 in the solver file, so that Caffe made the last two drops one after the
    # other at 36,619 and 36,620, as the log says.
    "hyperparam1_steps": Preset(
        schedule="piecewise",
        settings={"milestones": (0.5, 0.74999, 0.87497, 0.93746, 0.93749), "factor": 0.316},
        reference="Smith, A disciplined approach (arXiv 1803.09820), baseline of DenseNet-40: log of 400 epochs in "
        "lnsmith54/hyperParam1, 0.1, x 0.316 at 19,531, 29,296, 34,178, 36,619 and 36,620 of 39,062 updates",
    ),
    "hyperparam1_imagenet_steps": Preset(
        schedule="step",
        settings={"num_drops": 79, "factor": 0.94},
        reference="Smith, A disciplined approach (arXiv 1803.09820), baseline of ResNet-50: asolver1.prototxt of "
        "lnsmith54/hyperParam1, 0.1, x 0.94 every 20,000 of 1,600,000 updates",
    ),
    "caffe_lenet": Preset(
        schedule="inverse_power",
        settings={"timescale_frac": 1.0, "exponent": 0.75},
        reference="examples/mnist/lenet_solver.prototxt of BVLC/caffe: 0.01 (1 + t / 10,000) ** -0.75 over 10,000 "
        "updates",
    ),
    "smith_topin_cycle": Preset(
        schedule="triangular",
        settings={"cycles": 1, "initial_div": 30.0},
        reference="Smith and Topin, Super-Convergence (arXiv 1708.07120): clrsolver.prototxt of their code, from 0.1 "
        "to 3 in 5,000 updates and back",
    ),
    "hyperparam1_cycle": Preset(
        schedule="one_cycle_constant_tail",
        settings={"warmup_frac": 0.46, "initial_div": 10.0, "final_div": 1000.0},
        reference="Smith, A disciplined approach (arXiv 1803.09820), wide ResNet: log of 50 epochs in "
        "lnsmith54/hyperParam1, from 0.1 to 1 in 2,246 of 4,882 updates",
    ),
    "fastai1_cycle": Preset(
        schedule="one_cycle_fastai",
        settings={"warmup_frac": 0.3, "initial_div": 25.0, "final_div": 10_000.0},
        reference="OneCycleScheduler of fast.ai version 1 by default, with the peak rate of a range test",
    ),
    "page_triangle": Preset(
        schedule="knots",
        settings={"knot_fracs": (0.0, 5 / 24, 1.0), "knot_factors": (0.0, 1.0, 0.0)},
        reference="dawn.py of davidcpage/cifar10-fast: up to 0.4 (for a mean loss) in 5 of 24 epochs",
    ),
    "airbench94_triangle": Preset(
        schedule="knots",
        settings={"knot_fracs": (0.0, 0.23, 1.0), "knot_factors": (0.2, 1.0, 0.07)},
        reference="airbench94.py of KellerJordan/cifar10-airbench: up to 11.5 per 1,024 examples, decoupled from "
        "momentum, in 23 % of 9.9 epochs",
    ),
    "airbench96_triangle": Preset(
        schedule="knots",
        settings={"knot_fracs": (0.0, 0.1, 1.0), "knot_factors": (0.2, 1.0, 0.0)},
        reference="airbench96.py of KellerJordan/cifar10-airbench: up in 10 % of the run, down to 0",
    ),
}

PRESETS: Mapping[str, Preset] = MappingProxyType(_PRESETS)
