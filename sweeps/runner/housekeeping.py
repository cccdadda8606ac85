"""Keep Tune's house: its actors alive, its memory and disk bounded, and its hung actors out of it.

Tune offers a scheduler a look at everything at every step of its loop. What is done here beyond its public surface is
guarded: where Tune has changed, actors are started anew, memory grows by some kilobytes a trial, and nothing else.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler

from sweeps.faults import Fault, Silence, fault_of, is_unreadable, unreadable_fault
from sweeps.runner.folders import remove_folder
from sweeps.runner.searcher import ProtocolSearcher

_LOOK_SECONDS = 1.0
#: A process that starts, and imports what it needs, has at least so long, however impatient the study is.
LEAST_START_SECONDS = 60.0


class Housekeeping(FIFOScheduler):
    """Start trials first in, first out, and do what has to be done between two events.

    *Actors are kept.* Tune ends all idle actors but one as soon as no trial waits for them. Ours wait whenever a cell
    has handed out its last draw and the confirm trials wait for it to end: each would then pay for a new process and
    its imports. Once every trial of the study has ended or runs, idle actors are ended, so that an autoscaler can take
    back the nodes that they would hold for as long as the last trial trains.

    *Attempts are forgotten.* Tune keeps every trial that ever was, with its curve, and looks through all of them at
    every step.

    *Hung actors are ended*, also those that hang while they start. The attempt then fails, and is handed out again.

    Args:
        searcher: told why an attempt failed.
        limit: actors to keep of each kind.
    """

    def __init__(self, searcher: ProtocolSearcher, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher
        self._limit = limit
        self._kept: set[Any] = set()
        self._ended: list[TuneTrial] = []
        limit_seconds = 60 * searcher.faults.hang_minutes
        self._silence = Silence(limit_seconds)
        self._start_silence = Silence(max(limit_seconds, LEAST_START_SECONDS))
        self._hung: dict[str, float] = {}  # the minutes of silence, by the trial's id
        self._looked_at = 0.0

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Raise the number of idle actors that the controller keeps."""
        super().on_trial_add(tune_controller, trial)
        cache = getattr(_unwrapped(tune_controller), "_actor_cache", None)
        if cache is not None and trial.placement_group_factory not in self._kept and not self._searcher.is_closing:
            cache.increase_max(trial.placement_group_factory, by=self._limit)
            self._kept.add(trial.placement_group_factory)

    def _keep_no_more(self, controller: Any) -> None:
        """Let the controller end all idle actors, now and from now on."""
        cache = getattr(controller, "_actor_cache", None)
        if cache is None:
            return
        cache._may_keep_one = False
        for kind in self._kept:
            cache.decrease_max(kind, by=self._limit)
        self._kept.clear()

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Take note of a sign of life."""
        self._silence.heard(trial.trial_id)
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Tell the searcher why, before Tune tells it that."""
        super().on_trial_error(tune_controller, trial)
        silent_minutes = self._hung.get(trial.trial_id, 0.0)
        if silent_minutes:
            found = fault_of(None, silent_minutes=silent_minutes)
        else:
            found = fault(trial, begun=trial not in getattr(_unwrapped(tune_controller), "_resetting_trials", ()))
        self._searcher.note_fault(trial.trial_id, found)
        self._end(trial)

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Take note that there is an attempt to forget."""
        super().on_trial_complete(tune_controller, trial, result)
        self._end(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """Tidy up, and leave the choice to the controller, which takes the trial that waits longest.

        Tune's own choice looks through all trials for the same result.
        """
        controller = _unwrapped(tune_controller)
        self._ended = [trial for trial in self._ended if not _forget(controller, trial)]
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._searcher.look()
            if self._kept and self._searcher.is_closing:
                self._keep_no_more(controller)
            live = tune_controller.get_live_trials()
            training = {t.trial_id: t.temporary_state.ray_actor for t in live if t.status == TuneTrial.RUNNING}
            self._end_hung(self._silence, {name: actor for name, actor in training.items() if actor is not None}, now)
            yet_to_train = starting(controller, live)
            self._searcher.note_activity(training, yet_to_train)
            self._end_hung(self._start_silence, yet_to_train, now)
        return None

    def _end_hung(self, silence: Silence, actors: Mapping[str, Any], now: float) -> None:
        for trial_id in silence.look(list(actors), now):
            self._hung[trial_id] = silence.limit_seconds / 60
            ray.kill(actors[trial_id])

    def _end(self, trial: TuneTrial) -> None:
        self._silence.ended(trial.trial_id)
        self._hung.pop(trial.trial_id, None)
        self._ended.append(trial)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: the Tuner pickles what it is given, for a restore that is never done."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Housekeeping:
        return self


def _unwrapped(tune_controller: Any) -> Any:
    return getattr(tune_controller, "_tune_controller", tune_controller)


def fault(trial: TuneTrial, *, begun: bool = True) -> Fault:
    """Return what ended a trial. Tune keeps it in files of this machine, which nobody else writes.

    Args:
        trial: an attempt that failed.
        begun: whether its process had taken it.
    """
    report = _text(trial.error_file)
    if not trial.pickled_error_file:
        return unreadable_fault(report) if is_unreadable(report) else fault_of(None, begun=begun)
    try:
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes())  # noqa: S301
    except OSError:  # no file: nothing is known
        return fault_of(None, begun=begun)
    except Exception:  # noqa: BLE001 (an exception class of the user's can raise anything here)
        return unreadable_fault(report)
    return fault_of(error if isinstance(error, BaseException) else None, begun=begun)


def _text(path: str | None) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""


def starting(controller: Any, trials: Iterable[TuneTrial]) -> dict[str, Any]:
    """Return the actors that start, or take over, for a trial that does not run yet, by the trial's id.

    A trial that waits for room has none.
    """
    found = {}
    for trial in trials:
        if trial.status != TuneTrial.PENDING:
            continue
        try:
            tracked = controller._trial_to_actor.get(trial)
            actor, _ = controller._actor_manager._live_actors_to_ray_actors_resources.get(tracked, (None, None))
        except (AttributeError, TypeError, ValueError):
            continue  # another Tune: an actor that hangs while it starts is not found out
        if actor is not None:
            found[trial.trial_id] = actor
    return found


def _forget(controller: Any, trial: TuneTrial) -> bool:
    """Remove an attempt that has ended from memory and disk; tell whether it could be."""
    if trial.status not in {TuneTrial.TERMINATED, TuneTrial.ERROR}:
        return False
    for folder in (trial.local_path, trial.storage.trial_fs_path if trial.storage else None):
        if folder:
            remove_folder(folder)
    try:
        if trial in controller._staged_trials:  # its actor died while it was given the trial
            controller._unstage_trial_with_resources(trial)
        controller._trials.remove(trial)
        for trials in (
            controller._live_trials,
            controller._stopped_trials,
            controller._failed_trials,
            controller._resetting_trials,
            controller._trials_to_cache,
        ):
            trials.discard(trial)
        controller._trial_metadata.pop(trial.trial_id, None)
    except (AttributeError, ValueError):
        pass  # another Tune: it keeps what it keeps
    return True
