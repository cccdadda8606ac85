"""A study's experiment and study run: found or made, with the rules that hold and the history of rules that held.

The rules of a study may be extended after trials have run, see `sweeps.extending`. Every version stands in the record
with the number of trials that had ended by then, so that a reader can tell what was decided after results were seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from analysis import layout
from analysis.trial_table import RunFacts
from sweeps import extending
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.recording.launches import origins_of
from sweeps.recording.spool import Spool
from sweeps.recording.store import (
    find_experiment,
    read_artifact,
    recorded_rules,
    rules_version,
    study_run,
    study_runs,
)
from sweeps.recording.trouble import TROUBLE
from sweeps.spec import Study

#: For how long the study run of an experiment that another launch has just made is waited for.
_MAKING_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What had ended when a study was opened.

    Args:
        trials: trials with a result, recorded or in the spool.
        confirm_trials: those of them that read the test split.
        any_run: whether MLflow has a run of any trial: it has begun under the rules on record.
        waiting_rules: hashes of the rules under which the results in the spool were obtained; None for one that an
            earlier version put there, which does not say.
    """

    trials: int = 0
    confirm_trials: int = 0
    any_run: bool = False
    waiting_rules: frozenset[str | None] = frozenset()


def ended_of(runs: Sequence[RunFacts], spooled: Sequence[Mapping[str, Any]]) -> Ended:
    """Count what has ended.

    Args:
        runs: of the recorded trials.
        spooled: records that wait for delivery.
    """
    phases = {
        run.tags.get(layout.TRIAL_KEY, ""): run.tags.get(layout.PHASE) for run in runs if run.status == "FINISHED"
    }
    phases |= {r["trial_key"]: r["tags"][layout.PHASE] for r in spooled if r["kind"] != "failed"}
    return Ended(
        trials=len(phases),
        confirm_trials=sum(phase == "confirm" for phase in phases.values()),
        any_run=bool(runs),
        waiting_rules=frozenset(origin.rules if origin else None for origin in origins_of(spooled)),
    )


@dataclass
class StudyRun:
    """The study run of a study, opened for writing.

    Args:
        client: of the tracking store.
        study: the validated study.
        experiment: its experiment, as it was found.
        run: its study run, as it was found.
        environment: versions and machine of this launch.
        made: whether this launch has made the study run.
    """

    client: MlflowClient
    study: Study
    experiment: Experiment
    run: Run
    environment: Mapping[str, str] = field(default_factory=dict)
    made: bool = False

    def others(self) -> list[Run]:
        """Return the other study runs of the study: made by launches that came at the same moment."""
        return [run for run in study_runs(self.client, self.experiment_id) if run.info.run_id != self.run_id]

    def look_again(self) -> None:
        """Read anew what is on record, which another launch may have changed until the study was ours."""
        self.experiment = self.client.get_experiment(self.experiment_id)
        self.run = self.client.get_run(self.run_id)

    def give_way(self) -> None:
        """Delete the study run where this launch has made it: another one has its own."""
        if self.made:
            self.client.delete_run(self.run_id)

    @property
    def experiment_id(self) -> str:
        """Return the id of the experiment."""
        return str(self.experiment.experiment_id)

    @property
    def run_id(self) -> str:
        """Return the id of the study run."""
        return str(self.run.info.run_id)

    @property
    def version(self) -> int:
        """Return the version of the rules on record; 0 where none was written to its end."""
        return rules_version(self.run)

    def settle_rules(self, ended: Ended, spool: Spool) -> tuple[extending.Change, ...]:
        """Make the study's rules those of the record, and return how they extend the ones before.

        A store that is new, or older than the results that wait for it, gets the rules with them. What is no rule, such
        as resources and data folders, is kept as this launch has it, so that the study can be launched again by its
        name.

        Args:
            ended: what had ended before.
            spool: where results wait.

        Raises:
            InputError: trials have run under rules that this study does not just extend, or that nobody knows.
        """
        found: tuple[extending.Change, ...] = ()
        others = ended.waiting_rules - {self.study.protocol_hash()}
        kept = self._extended_rules(spool) if others else {}
        if others and not others <= self._known_rules() | kept.keys():
            raise InputError(_strangers(spool.folder))
        if self._holds and self.version:
            with suppress(*TROUBLE):  # where files cannot be written now, those before stand
                self.client.log_dict(self.run_id, self.study.recorded(), layout.ARTIFACT_STUDY)
            return found
        if others and not self.version:  # those that held first come with their results
            self._write_rules(1, Ended(), found, next(rules for key, rules in kept.items() if key in others))
        if not (ended.any_run or others):
            self._write_rules(max(self.version, 1), ended, found, self.study.recorded())
        else:
            before = recorded_rules(self.client, self.run)
            found = extending.changes(before, self.study.recorded())
            if not extending.extends(found):
                raise InputError(extending.refusal(self.study.study, found))
            if found:
                self._write_rules(self.version + 1, ended, found, self.study.recorded())
        rules_hash = self.study.protocol_hash()
        self.client.set_tag(self.run_id, layout.EXPERIMENT_PROTOCOL_HASH, rules_hash)
        self.client.set_experiment_tag(self.experiment_id, layout.EXPERIMENT_PROTOCOL_HASH, rules_hash)
        return found

    @property
    def _holds(self) -> bool:
        return self.experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH) == self.study.protocol_hash()

    def _known_rules(self) -> set[str | None]:
        """Return the hashes of all rules that have held; of results that do not say, any rules that were recorded."""
        if not self.version:
            return set()
        history = json.loads(self.run.data.tags.get(layout.RULES_HISTORY, "[]"))
        said = {entry["version"]: entry.get("protocol_hash") for entry in history}
        for version in (version for version, rules in said.items() if rules is None):  # recorded by an earlier version
            rules = read_artifact(self.client, self.run_id, layout.rules_file(version))["study"]
            said[version] = Study.from_recorded(rules).protocol_hash()
        return {None, self.experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH), *said.values()}

    def _extended_rules(self, spool: Spool) -> dict[str | None, dict[str, Any]]:
        """Return the rules of results that wait which this study just extends, by their hashes, the oldest first."""
        kept = sorted(spool.launches().values(), key=lambda facts: facts["time"])
        rules = {facts["protocol_hash"]: facts["study"] for facts in kept}
        return {
            key: was for key, was in rules.items() if extending.extends(extending.changes(was, self.study.recorded()))
        }

    def _write_rules(
        self, version: int, ended: Ended, found: Sequence[extending.Change], rules: Mapping[str, Any]
    ) -> None:
        """Write a version of the rules; killed in between, it is written again by the next launch."""
        entry = {
            "version": version,
            "time": time.time(),
            "trials": ended.trials,
            "confirm_trials": ended.confirm_trials,
            "protocol_hash": Study.from_recorded(rules).protocol_hash(),
        }
        history = [e for e in json.loads(self.run.data.tags.get(layout.RULES_HISTORY, "[]")) if e["version"] < version]
        changed = [{"field": c.field, "was": c.was, "is": c.now} for c in found]
        artifact = {**entry, "changes": changed, "environment": dict(self.environment), "study": rules}
        self.client.log_dict(self.run_id, artifact, layout.rules_file(version))
        self.client.log_dict(self.run_id, dict(rules), layout.ARTIFACT_STUDY)
        self.client.set_tag(self.run_id, layout.RULES_HISTORY, json.dumps([*history, entry]))
        self.client.set_tag(self.run_id, layout.RULES_VERSION, str(version))
        self.run = self.client.get_run(self.run_id)


def _strangers(spool: Path) -> str:
    return (
        f"{spool} must hold results that were obtained under this study's rules, or under rules that it extends; got "
        "results under others. Launch the study as it was then (it may be extended afterwards), in the store that it "
        "was recorded in; or move the folder away if they are not wanted: their trials run again."
    )


def open_study_run(client: MlflowClient, study: Study, places: Places, environment: Mapping[str, str]) -> StudyRun:
    """Find the experiment and the study run of `study`, or make them.

    Raises:
        InputError: MLflow has an experiment of that name that cannot be used.
    """
    name = study.study
    experiment, made = find_experiment(client, name), False
    if experiment is None:
        made = _make_experiment(client, study, places)
        experiment = find_experiment(client, name)
    if experiment is None:
        raise InputError(f"experiment {name} vanished from MLflow while it was opened; launch again.")
    run = study_run(client, experiment.experiment_id)
    if run is None and not made:
        run = _await(lambda: study_run(client, experiment.experiment_id))
    own = None
    if run is None:
        own = _make_run(client, study, experiment.experiment_id, environment)
        run = study_run(client, experiment.experiment_id) or own  # that of another launch, if it was the first
    found = StudyRun(client=client, study=study, experiment=experiment, run=run, environment=environment)
    if own and own.info.run_id == found.run_id:
        found.made = True
    elif own:
        client.delete_run(own.info.run_id)
    return found


def _await(look: Callable[[], Run | None]) -> Run | None:
    """Wait for a run that another launch may be about to make."""
    end = time.monotonic() + _MAKING_SECONDS
    while (run := look()) is None and time.monotonic() < end:
        time.sleep(0.5)
    return run


def _make_experiment(client: MlflowClient, study: Study, places: Places) -> bool:
    """Make the experiment, and return False if another launch has just done so."""
    root, name = places.artifact_root, study.study
    try:
        client.create_experiment(
            name,
            artifact_location=(root / name).as_uri() if root else None,
            tags={
                layout.EXPERIMENT_STUDY: name,
                layout.EXPERIMENT_PROTOCOL_HASH: study.protocol_hash(),
                layout.EXPERIMENT_LAYOUT: layout.LAYOUT_VERSION,
                "mlflow.experimentKind": "custom_model_development",
                "mlflow.note.content": study.question or f"Study {name}",
            },
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _make_run(client: MlflowClient, study: Study, experiment_id: str, environment: Mapping[str, str]) -> Run:
    run_id = str(
        client.create_run(
            experiment_id,
            run_name=f"study {study.study}",
            tags={layout.ROLE: layout.ROLE_STUDY, layout.EXPERIMENT_PROTOCOL_HASH: study.protocol_hash()},
        ).info.run_id
    )
    client.log_dict(run_id, study.recorded(), layout.ARTIFACT_STUDY)
    client.log_dict(run_id, dict(environment), layout.ARTIFACT_ENVIRONMENT)
    return client.get_run(run_id)
