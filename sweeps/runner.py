"""Run a protocol on Ray Tune: one Tuner for the whole study. The only module that imports Ray.

Tune is used as an executor: a `Searcher` hands it the protocol's next trial, actors are reused from trial to trial, and
each short trial reports once. Nothing relies on Tune's own state, loggers, checkpoints or restore: resuming a study is
replaying the record.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by Ray at import or at start.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")  # relative data paths keep their meaning
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # KeyboardInterrupt reaches the command line
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "86400")  # its snapshots are never read

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from models.training import Progress
from sweeps.errors import FairsweepError, InputError
from sweeps.protocol import Protocol, Trial
from sweeps.spec import Study
from sweeps.trial import Job, TrialResult, failed_result, job_for, run_job

#: A long trial reports at least this often; a shorter one reports once, at its end.
REPORT_SECONDS = 5.0
#: How often a trial is started again when its process dies.
MAX_RESTARTS = 1

#: A Ray worker gives freed memory back at once and faults it in again at the next batch: 12,000 page faults and 7 % of
#: the time of a 0.3 s trial, against none in a bare process. These make it keep what it will need again.
_WORKER_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}

_JOB, _RESULT, _PROGRESS = "job", "result", "progress"


class ClusterError(FairsweepError):
    """The Ray cluster cannot be reached, or has not what a trial needs."""


@dataclass(frozen=True)
class Observer:
    """What to call as a study runs, in the launching process.

    Args:
        started: a trial was handed to the cluster.
        progressed: a long trial reports where it is.
        ended: a trial ended; must make the result durable before it returns.
    """

    started: Callable[[Trial], None]
    progressed: Callable[[Trial, Progress], None]
    ended: Callable[[TrialResult], None]


class TrialActor(tune.Trainable):
    """Run one trial after the other in one process."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first trial."""
        self._begin(config[_JOB])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._begin(new_config[_JOB])
        return True

    def _begin(self, job: Job) -> None:
        import torch  # noqa: PLC0415 (in the worker, not in the launching process)

        torch.set_num_threads(job.threads)
        self._job = job
        self._steps = run_job(job)

    def step(self) -> dict[str, Any]:
        """Train until the trial ends or a report is due."""
        due = time.monotonic() + REPORT_SECONDS
        for step in self._steps:
            if isinstance(step, TrialResult):
                return {_RESULT: step, "done": True}
            if time.monotonic() > due:
                return {_PROGRESS: step, "done": False}
        return {_RESULT: failed_result(self._job, "the trial ended without a result"), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing: an interrupted trial starts again."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load nothing."""


class ProtocolSearcher(Searcher):
    """Hand the protocol's trials to Tune, and what came of them to the protocol and the observer."""

    def __init__(self, protocol: Protocol, observer: Observer) -> None:
        super().__init__(metric="unused", mode="max")
        self._protocol = protocol
        self._observer = observer
        self._jobs: dict[str, Job] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        """Return the next job, None to wait, or FINISHED."""
        trial = self._protocol.next_trial()
        if trial is None:
            finished: str = Searcher.FINISHED
            return finished if self._protocol.is_done else None
        job = job_for(self._protocol.study, trial)
        self._jobs[trial_id] = job
        self._observer.started(trial)
        return {_JOB: job}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass on the progress of a long trial."""
        if _PROGRESS in result:
            self._observer.progressed(self._jobs[trial_id].trial, result[_PROGRESS])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make the result durable, then let the protocol go on."""
        job = self._jobs.pop(trial_id)
        if error or not result or _RESULT not in result:
            ended = failed_result(job, "The process of this trial died (killed, out of memory, or its node was lost).")
        else:
            ended = result[_RESULT]
        self._observer.ended(ended)
        self._protocol.record(ended.outcome)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: the Tuner pickles what it is given, for a restore that is never done."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> ProtocolSearcher:
        return self

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the record in MLflow is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""


class KeepActors(FIFOScheduler):
    """Start trials first in, first out, and keep idle actors for the trials to come.

    Tune ends all idle actors but one as soon as no trial waits for them. Ours wait whenever a cell has handed out its
    last draw and the confirm trials wait for it to end: each would then pay for a new process and its imports.

    Args:
        slots: actors to keep.
    """

    def __init__(self, slots: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._slots = slots
        self._kept = False

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Raise the number of idle actors that the controller keeps."""
        super().on_trial_add(tune_controller, trial)
        cache = getattr(tune_controller, "_actor_cache", None)  # not public; without it, actors are started anew
        if cache is not None and not self._kept:
            cache.increase_max(trial.placement_group_factory, by=self._slots)
            self._kept = True


def run_protocol(
    protocol: Protocol, observer: Observer, *, address: str, max_concurrent: int | None, scratch: Path
) -> None:
    """Run all that is left of a protocol, to its end.

    Args:
        protocol: fed with the outcomes of earlier launches.
        observer: told what happens.
        address: ``local`` starts Ray here for the time of the call, ``auto`` joins the running cluster that this
            machine is a node of, and ``HOST:PORT`` names the head of that cluster.
        max_concurrent: trials at a time; None for as many as fit.
        scratch: folder for what Tune writes; removed at the end.

    Raises:
        ClusterError: no cluster at `address`, or it lacks the resources for one trial.
        KeyboardInterrupt: the user stopped the launch; trials that had ended are safe.
    """
    with _cluster(address):
        slots = _slots(protocol.study)
        limit = min(slots, max_concurrent or slots)
        try:
            _tuner(protocol, observer, limit, scratch).fit()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _tuner(protocol: Protocol, observer: Observer, limit: int, scratch: Path) -> tune.Tuner:
    resources = protocol.study.resources
    request = {"cpu": resources.cpu, "gpu": resources.gpu} if resources.gpu else {"cpu": resources.cpu}
    return tune.Tuner(
        tune.with_resources(TrialActor, request),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(ProtocolSearcher(protocol, observer), max_concurrent=limit),
            scheduler=KeepActors(limit),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial_{trial.trial_id}",
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_frequency=0, checkpoint_at_end=False),
            progress_reporter=_Silence(),
        ),
    )


class _Silence(tune.ProgressReporter):
    """Tune's own progress table is not shown: the command line draws ours."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:  # noqa: ARG002
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: str) -> None:
        pass


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Join the cluster at `address`, or start one here; leave it at the end."""
    for name in ("ray", "ray.tune", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": _WORKER_ENVIRONMENT},
    }
    temporary: Path | None = None
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        if address == "local":
            _provide_token()
            # Not below `scratch`: the paths of Ray's sockets must stay under 108 bytes.
            # Ray opens its folder to everyone, so it stands in one that is ours alone.
            temporary = Path(tempfile.mkdtemp(prefix="fairsweep-")) / "ray"
            ray.init(address="local", include_dashboard=False, _temp_dir=str(temporary), **common)
        else:
            ray.init(address=address, **common)
    except BaseException as error:  # Ctrl-C while Ray starts included
        _leave(temporary)
        if isinstance(error, ConnectionError | RuntimeError | ValueError | OSError):
            reason = " ".join(str(error).split())[:300]
            raise ClusterError(f"no Ray cluster at --address {address}: {reason}") from error
        raise
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray has set its own, which ends the process at once
        yield
    finally:
        _leave(temporary)


def _leave(temporary: Path | None) -> None:
    """Leave the cluster and remove its files; a second Ctrl-C must not interrupt that."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    on_sigint = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        ray.shutdown()
    finally:
        if temporary:
            shutil.rmtree(temporary.parent, ignore_errors=True)
        if in_main_thread:
            signal.signal(signal.SIGINT, on_sigint)


def _provide_token() -> None:
    """Give the cluster started here a token of its own, which lives as long as this process.

    Without one Ray makes a token and writes it to the home folder, readable for everyone. The mode stays unset: Ray
    reads it when it is imported, and turns tokens on by itself for a cluster that it starts.
    """
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def check_address(address: str) -> None:
    """Check the form of an address, before anything starts.

    Raises:
        InputError: it is none of ``local``, ``auto`` and ``HOST:PORT``.
    """
    if address not in {"local", "auto"} and not _is_host_and_port(address):
        raise InputError(f"--address must be local, auto, or HOST:PORT of a Ray head node; got {address!r}.")


def _is_host_and_port(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    return bool(host and colon) and "/" not in address and port.isdecimal()


def _slots(study: Study) -> int:
    """Return how many trials fit on the cluster at a time.

    Raises:
        ClusterError: not one does.
    """
    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    wanted = {"CPU": study.resources.cpu, "GPU": study.resources.gpu}
    lacking = [f"{amount:g} {name}" for name, amount in wanted.items() if amount > there.get(name, 0)]
    if lacking:
        have = ", ".join(f"{there.get(name, 0):g} {name}" for name in wanted)
        raise ClusterError(
            f"one trial needs {', '.join(lacking)}, and the cluster has {have}. Change resources in the study file, or "
            "give another --address."
        )
    return int(min(there[name] / amount for name, amount in wanted.items() if amount) + 1e-9)
