"""What torch keeps per process, borrowed for the time of one update and put back."""

from __future__ import annotations

import os
from types import TracebackType

import torch

from models.streams import update_seed


class ProcessState:
    """Seed torch's global generators for one update, and choose deterministic algorithms if asked to.

    Dropout and the like draw from the global generators. Here what they draw in an update is a function of the seed and
    the update alone, so that it depends on nothing that ran before in the process, and a training that goes on from a
    checkpoint draws the same. Used as ``with state.at(update): ...``; it costs 4 microseconds.

    Args:
        seed: seed of the stream ``noise``.
        device: where the training runs.
        deterministic: use algorithms that give the same numbers in every run, or fail where there are none. Otherwise
            the fastest ones are sought on a GPU (``cudnn.benchmark``).
    """

    def __init__(self, seed: int, device: torch.device, *, deterministic: bool) -> None:
        self._seed = seed
        self._deterministic = deterministic
        self._on_gpu = device.type == "cuda"
        self._generators = [torch.default_generator]
        if self._on_gpu:
            if deterministic:  # read by cuBLAS when a process first uses it
                os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.cuda.init()  # type: ignore[no-untyped-call]
            index = torch.cuda.current_device() if device.index is None else device.index
            self._generators.append(torch.cuda.default_generators[index])

    def at(self, update: int) -> ProcessState:
        """Return the state for the update with this index."""
        self._update = update
        return self

    def __enter__(self) -> None:
        self._kept = [generator.get_state() for generator in self._generators]
        seed = update_seed(self._seed, self._update)
        for generator in self._generators:
            generator.manual_seed(seed)
        if self._deterministic or self._on_gpu:
            self._choose_algorithms()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for generator, state in zip(self._generators, self._kept, strict=True):
            generator.set_state(state)
        if self._deterministic or self._on_gpu:
            self._restore_algorithms()

    def _choose_algorithms(self) -> None:
        cudnn = torch.backends.cudnn
        self._algorithms = (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            cudnn.deterministic,
            cudnn.benchmark,
        )
        if self._deterministic:
            torch.use_deterministic_algorithms(mode=True)
        cudnn.deterministic, cudnn.benchmark = self._deterministic, not self._deterministic

    def _restore_algorithms(self) -> None:
        mode, warn_only, deterministic, benchmark = self._algorithms
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark
