"""Play a round: launch a study, kill what it runs on, launch it again until it is complete, and judge its record."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sweeps.loading import load_study
from sweeps.places import Places
from sweeps.protocol import Outcome, Protocol
from tests.chaos.ledger import Ledger, count_ended, differences, read_ledger
from tests.chaos.stage import Stage
from tests.chaos.strikes import Moment, Strike, strikes_of
from tests.patience import PATIENCE_SECONDS

_POLL_SECONDS = 0.05
_TRIALS = 16
#: Launches that are left alone, after those that were struck, before a study is given up.
_CALM_LAUNCHES = 4
#: Done; some trials failed, or MLflow or the cluster was away; stopped; stopped before it could know.
_CODES = {0, 1, 130, -signal.SIGTERM}


@dataclass(frozen=True, kw_only=True)
class Calm:
    """How the study goes when nobody disturbs it.

    Args:
        start_seconds: how long it takes until the first trial has ended.
        ledger: what is recorded.
    """

    start_seconds: float
    ledger: Ledger


@dataclass(kw_only=True)
class Round:
    """What came of a round.

    Args:
        seed: its seed.
        landed: strikes that had something to strike, by kind; and nodes that Ray gave up on a machine too busy.
        codes: exit codes of the launches.
        wrong: what is not as it should be, one sentence each.
        log: file with what the launches said.
        attempts: largest number of attempts at a trial.
        seconds: how long the round took.
    """

    seed: int
    landed: Counter[str] = field(default_factory=Counter)
    codes: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    log: Path
    attempts: int = 0
    seconds: float = 0.0

    @property
    def log_text(self) -> str:
        """Return what the launches said."""
        return self.log.read_text(encoding="utf-8")

    def __str__(self) -> str:
        killed = ", ".join(f"{kind} x{number}" if number > 1 else kind for kind, number in self.landed.items())
        return (
            f"seed {self.seed}: {killed or 'nothing hit'}; launches ended with {self.codes}; "
            f"{self.seconds:.0f} s; {'; '.join(self.wrong) or 'as undisturbed'}"
        )


def study_data(name: str) -> dict[str, Any]:
    """Return a study of 16 trials of some tenths of a second, which keep their state several times on the way."""
    return {
        "study": name,
        "workloads": [{"name": "digits-mlp", "dataset": "digits", "network": "mlp", "batch_size": 50}],
        "budgets": {"updates": [400, 800]},
        "arms": {
            "cosine": {"schedule": "cosine"},
            "one_cycle": {"schedule": "one_cycle", "momentum_policy": "cycled"},
        },
        "tuning": {"draws": 2},
        "confirm": {"seeds": 2},
        "recording": {"evaluations": 4},
        "faults": {"checkpoint_minutes": 0.002},
    }


def play_calm(stage: Stage) -> Calm:
    """Run the study undisturbed, and make sure that its record is what the protocol plans."""
    stage.mend()
    study, log = _write_study(stage, "calm"), stage.folder / "calm.log"
    launched = _launch(stage, study, log, (), start_seconds=0.0)
    assert not launched.timed_out, f"no trial ended for {PATIENCE_SECONDS:.0f} s:\n{log.read_text()}"
    assert launched.code == 0, f"it ended with {launched.code}:\n{log.read_text()}"
    ledger = read_ledger(stage.database, "calm")
    assert ledger.ended.keys() == _planned_keys(study, ledger), "the undisturbed run is not what the protocol plans"
    assert all(len(runs) == 1 for runs in ledger.ended.values())
    return Calm(start_seconds=launched.start_seconds, ledger=ledger)


def play(stage: Stage, calm: Calm, seed: int) -> Round:
    """Play the round of a seed.

    Args:
        stage: what it runs on; left mended.
        calm: how it goes undisturbed.
        seed: says what is killed when.
    """
    began = time.monotonic()
    name = f"chaos-{seed}-{time.time_ns():x}"
    study, played = _write_study(stage, name), Round(seed=seed, log=stage.folder / f"{name}.log")
    for strikes in (*strikes_of(seed), *[()] * _CALM_LAUNCHES):
        stage.mend()
        launched = _launch(stage, study, played.log, strikes, calm.start_seconds)
        played.codes.append(launched.code)
        played.landed.update(launched.landed)
        if launched.timed_out:
            played.wrong.append(f"Launch {len(played.codes)} was killed: no trial ended for {PATIENCE_SECONDS:.0f} s.")
        elif launched.code not in _CODES and not (
            launched.code == -signal.SIGKILL and "kill driver" in launched.landed
        ):
            played.wrong.append(f"Launch {len(played.codes)} ended with {launched.code}.")
        if launched.code == 0:
            break
    stage.mend()
    ledger = read_ledger(stage.database, name)
    played.attempts = ledger.attempts
    played.wrong += differences(ledger, calm.ledger)
    played.wrong += _left_behind(stage, name)
    played.seconds = time.monotonic() - began
    return played


@dataclass(kw_only=True)
class _Launched:
    """What came of a launch.

    Args:
        code: its exit code.
        landed: what was struck, and lost nodes.
        start_seconds: how long it took until the first trial had ended.
        timed_out: it was killed, since no trial ended any more.
    """

    code: int = 0
    timed_out: bool = False
    landed: list[str] = field(default_factory=list)
    start_seconds: float = 0.0


def _launch(stage: Stage, study: Path, log: Path, strikes: Sequence[Strike], start_seconds: float) -> _Launched:
    """Launch the study, and strike; where there is nothing to strike yet, as soon as there is."""
    spool = Places.from_environment({"FAIRSWEEP_HOME": str(stage.home)}).spool(study.stem)
    before = count_ended(stage.database, study.stem, spool)
    pending = {strike: strike.moment(_TRIALS - before, start_seconds) for strike in strikes}
    launched, back_at = _Launched(), float("inf")
    with log.open("a") as said:
        process = stage.start_launch(study, said)
        began = at = time.monotonic()
        trials = 0
        try:
            while process.poll() is None and (now := time.monotonic()) - at < PATIENCE_SECONDS:
                if (ended := count_ended(stage.database, study.stem, spool) - before) > trials:
                    launched.start_seconds = launched.start_seconds or now - began
                    trials, at = ended, now
                launched.landed += ["lost node"] * stage.replace_lost()
                if now > back_at:
                    stage.start_server()
                    back_at = float("inf")
                is_at = Moment(trials=trials, delay_seconds=now - at)
                for strike in [strike for strike, moment in pending.items() if moment <= is_at]:
                    if _strike(stage, process, strike):
                        launched.landed.append(strike.kind)
                        del pending[strike]
                        back_at = now + strike.away_seconds if strike.kind == "kill server" else back_at
                time.sleep(_POLL_SECONDS)
            if process.poll() is None:
                launched.timed_out = True
                process.send_signal(signal.SIGUSR1)  # it says where it is, see `tests.chaos.driver`
                time.sleep(1)
        finally:
            process.kill()
            process.wait()
    launched.code = process.returncode
    return launched


def _strike(stage: Stage, process: subprocess.Popen[str], strike: Strike) -> bool:
    """Strike, and tell whether there was something to strike."""
    if strike.kind == "kill driver":
        process.kill()
    elif strike.kind == "stop driver":
        process.terminate()
    elif strike.kind == "kill worker":
        return stage.kill_worker(strike.pick)
    elif strike.kind == "kill node":
        return stage.kill_node(strike.pick)
    else:
        return stage.kill_server()
    return True


def _write_study(stage: Stage, name: str) -> Path:
    path = stage.folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study_data(name)), encoding="utf-8")
    return path


def _planned_keys(study: Path, ledger: Ledger) -> set[str]:
    """Return the keys that the protocol hands out when the trials end as they are recorded."""
    protocol, keys = Protocol(load_study(str(study), ())), set()
    while trial := protocol.next_trial():
        keys.add(trial.key)
        [run] = ledger.ended[trial.key]
        finals = {name: value for name, step, value in run.points if name.startswith("final/")}
        protocol.record(
            Outcome(
                key=trial.key,
                kind="diverged" if run.outcome == "diverged" else "finished",
                validation=finals.get("final/validation_accuracy"),
                test=finals.get("final/test_accuracy"),
            )
        )
    assert protocol.is_done
    return keys


def _left_behind(stage: Stage, name: str) -> list[str]:
    """Say what a complete study left on the disk that it should not have."""
    places = Places.from_environment({"FAIRSWEEP_HOME": str(stage.home)})
    said = [f"{path.name} is left in the spool." for path in places.spool(name).glob("*.json")]
    said += [f"{folder} is left." for folder in (places.scratch(name), places.checkpoints(name)) if folder.exists()]
    return said
