"""Run a protocol on Ray Tune: one Tuner for the whole study. The only package that imports `ray.tune`.

Tune is used as an executor: a `Searcher` hands it the protocol's next trial, actors are reused from trial to trial, and
each short trial reports once. Nothing relies on Tune's own state, loggers, checkpoints, retries or restore: resuming a
study is replaying the record, and a trial that was lost is handed out again.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read by Ray at import or at start.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")  # relative data paths keep their meaning
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # KeyboardInterrupt reaches the command line
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # they are recorded
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))  # its snapshots are never read

from ray import tune
from ray._private import worker
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.search import ConcurrencyLimiter

from sweeps.cluster.placement import Placement
from sweeps.protocol import Protocol
from sweeps.runner.actor import JOB, TrialActor
from sweeps.runner.housekeeping import Housekeeping
from sweeps.runner.searcher import Activity, Observer, ObserverError, ProtocolSearcher

__all__ = ["Activity", "Observer", "run_protocol"]


def run_protocol(
    protocol: Protocol,
    observer: Observer,
    placement: Placement,
    *,
    max_concurrent: int | None,
    scratch: Path,
    checkpoints: Path,
) -> str:
    """Run all that is left of a protocol on the joined cluster, to its end.

    Args:
        protocol: fed with the outcomes of earlier launches.
        observer: told what happens.
        placement: where the trials of each cell run, and how many at a time.
        max_concurrent: trials at a time; None for as many as fit.
        scratch: folder for what Tune writes; removed at the end.
        checkpoints: folder for the state of long trials; shared by all nodes, or else of use to this one only.

    Returns:
        Why it ended early, with trials left that could have run; empty if it did not.

    Raises:
        Exception: whatever the observer raised; the run ended there and then.
        KeyboardInterrupt: the user stopped the launch; trials that had ended are safe.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a trial that failed is no error of the launch
    searcher = ProtocolSearcher(protocol, observer, placement, checkpoints)
    try:
        with _quiet():
            _tuner(searcher, placement, placement.limit(max_concurrent), scratch).fit()
    except ObserverError as stopped:
        raise stopped.error from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return searcher.halted


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's messages about workers that died off the terminal: what was lost is run again, and counted.

    They come whether or not logs of workers are asked for.
    """
    private: Any = worker  # without this function in another Ray, its messages are seen
    before = getattr(private, "print_worker_logs", None)
    private.print_worker_logs = lambda *_: None
    try:
        yield
    finally:
        private.print_worker_logs = before


def _tuner(searcher: ProtocolSearcher, placement: Placement, limit: int, scratch: Path) -> tune.Tuner:
    def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([placement.bundle(config[JOB].trial.cell)])

    return tune.Tuner(
        tune.with_resources(TrialActor, resources),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=limit),
            scheduler=Housekeeping(searcher, limit),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial_{trial.trial_id}",
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_frequency=0, checkpoint_at_end=False),
            progress_reporter=_Silence(),
            callbacks=[_Forgetful()],
        ),
    )


class _Silence(tune.ProgressReporter):
    """Tune's own progress table is not shown: the command line draws ours."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:  # noqa: ARG002
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: str) -> None:
        pass


class _Forgetful(TrialProgressCallback):
    """Takes the place of Tune's own callback of this kind, which keeps every trial for ever."""

    def on_trial_result(self, *args: Any, **info: Any) -> None:
        pass

    def on_trial_error(self, *args: Any, **info: Any) -> None:
        pass

    def on_trial_complete(self, *args: Any, **info: Any) -> None:
        pass
