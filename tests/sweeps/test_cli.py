"""Commands that start no cluster."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml
from jsonschema import Draft202012Validator

from sweeps.cli import look, main
from sweeps.cli.launch import _last_line
from sweeps.errors import InputError
from sweeps.loading import load_study, shipped_studies
from sweeps.recording import TrackerError
from sweeps.yaml_reader import read_yaml
from tests.models.images import make_folder
from tests.sweeps.studies import tiny_data, tiny_study


class Cli:
    """Run the command line in this process; keep what it wrote and its exit code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["fairsweep", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        self.out, self.err = self._capsys.readouterr()
        return int(exit_.value.code or 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("FAIRSWEEP_HOME", str(home))
    monkeypatch.setenv("HOME", str(home))  # what doctor says of a token in the real one is not under test
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return Cli(monkeypatch, capsys)


def test_plan_shows_what_would_run_and_runs_nothing(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_data()), encoding="utf-8")
    assert cli("plan", str(path)) == 0
    assert "24 trials" in cli.out
    assert "cosine (control)" in cli.out
    assert "digits-mlp 8 updates" in cli.out
    assert "0 trials are done" in " ".join(cli.out.split())
    assert cli("status") == 0
    assert "tiny" not in cli.out


def test_plan_honours_overrides(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_data()), encoding="utf-8")
    assert cli("plan", str(path), "--set", "tuning.draws=5", "--set", "budgets.updates=[3]") == 0
    assert "16 trials" in cli.out


def test_plan_says_of_data_that_is_there_but_damaged_that_it_cannot_be_used(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("models.data.moments._DECODED", 1)  # so that only a training meets the rest
    images = make_folder(tmp_path, {"train/cat": 5, "train/dog": 5, "test/cat": 1, "test/dog": 1})
    for path in images.rglob("dog/*.png"):
        path.write_text("no image")
    settings = {"image_size": 8, "num_classes": 2, "num_train": 10, "stream": True}
    workload = {"name": "pets", "dataset": "imagefolder", "data_root": str(images), "dataset_settings": settings}
    study = {**tiny_data(), "workloads": [{**workload, "network": "mlp", "batch_size": 4}]}
    path = tmp_path / "damaged.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    assert cli("plan", str(path)) == 0
    assert "cannot be measured here: its data cannot be used." in cli.out
    assert "note: launch would refuse this for now: " in cli.err
    assert "must be an image" in cli.err
    assert "Traceback" not in cli.err


@pytest.mark.parametrize(
    ("confirm", "words"),
    [
        ({"seeds": 5}, "5 confirm seeds,"),
        ({"seeds": 5, "until": "decided", "max_seeds": 9}, "5 to 9 confirm seeds until decided,"),
        ({"seeds": 5, "until": "decided", "max_seeds": 5}, "5 confirm seeds,"),
    ],
)
def test_plan_says_a_range_of_seeds_only_where_there_is_one(
    cli: Cli, tmp_path: Path, confirm: dict[str, object], words: str
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**tiny_data(), "confirm": confirm}), encoding="utf-8")
    assert cli("plan", str(path)) == 0
    assert f"sobol, {words}" in cli.out


def test_init_writes_a_study_that_is_valid_and_points_to_its_schema(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "new" / "study.yaml"
    assert cli("init", str(path)) == 0
    assert load_study(str(path)).study == "my-study"
    schema = json.loads((path.parent / "study.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(read_yaml(path.read_text(encoding="utf-8"), "study").data)
    assert "$schema=./study.schema.json" in path.read_text(encoding="utf-8").splitlines()[0]


def test_init_overwrites_nothing_unless_forced(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("mine", encoding="utf-8")
    assert cli("init", str(path)) == 2
    assert path.read_text(encoding="utf-8") == "mine"
    assert "--force" in cli.err
    assert cli("init", str(path), "--force") == 0


def test_schema_accepts_the_shipped_studies_and_refuses_a_misspelt_key(cli: Cli) -> None:
    assert cli("schema") == 0
    validator = Draft202012Validator(json.loads(cli.out))
    for path in shipped_studies().values():
        study = read_yaml(path.read_text(encoding="utf-8"), str(path)).data
        validator.validate(study)
        assert not validator.is_valid({**study, "tunning": {"draws": 4}})
        assert not validator.is_valid({**study, "arms": {"a": {"schedule": "cosin"}, "b": {"schedule": "cosine"}}})


def test_studies_lists_the_shipped_ones_with_their_questions(cli: Cli) -> None:
    assert cli("studies") == 0
    listed = [line.split()[0] for line in cli.out.splitlines()[1:] if line and line[0] != " "]
    assert listed[: len(shipped_studies())] == list(shipped_studies())
    assert listed.index("paper-fig9a") < listed.index("paper-fig10a")
    assert max(map(len, cli.out.splitlines())) <= 80


def test_doctor_checks_versions_store_and_places(cli: Cli, home: Path) -> None:
    assert cli("doctor") == 0
    for word in ("python", "torch", "ray", "mlflow", "home", "tracking", "ray auth"):
        assert word in cli.out
    assert "cores; beside fp32 it has instructions for" in " ".join(cli.out.split())
    assert re.search(r"decoded images .* GiB of them", " ".join(cli.out.split()))


def test_doctor_goes_on_after_an_address_that_is_none(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlflow:5000")
    assert cli("doctor") == 1
    assert "MLFLOW_TRACKING_URI must be the address of a server" in " ".join(cli.out.split())
    assert "ray auth" in cli.out


def test_doctor_fails_where_results_cannot_be_written(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRSWEEP_HOME", str(tmp_path / "file"))
    assert cli("doctor") == 1
    assert "set FAIRSWEEP_HOME" in " ".join(cli.out.split())


def test_brackets_in_the_name_of_a_folder_are_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "[old] runs"
    folder.mkdir()
    monkeypatch.setenv("FAIRSWEEP_HOME", str(folder))
    assert cli("init", str(folder / "[a].yaml")) == 0
    assert f"fairsweep plan {folder / '[a].yaml'}" in cli.out
    assert cli("deploy", "mlflow", "--out", str(folder)) == 0
    assert str(folder) in cli.out
    cli("doctor")
    assert str(folder).replace(" ", "") in "".join(cli.out.split())


@pytest.mark.parametrize("command", ["report", "status", "ui"])
def test_an_unknown_study_is_bad_input(cli: Cli, command: str) -> None:
    assert cli(command, "nothing-of-that-name") == 2
    assert "nothing-of-that-name" in cli.err
    assert "Traceback" not in cli.err


@pytest.mark.parametrize("command", ["launch", "plan"])
def test_a_study_that_is_not_there_is_bad_input(cli: Cli, command: str) -> None:
    assert cli(command, "quickstrat") == 2
    assert "Did you mean quickstart?" in cli.err


#: Nothing listens there: what is refused before anything is sent is refused without a word about it.
NOBODY = "http://127.0.0.1:1"


def study_file(folder: Path, **changes: object) -> str:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**tiny_data(), **changes}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tracking-uri", "http://me:hunter2@mlflow:5000"], "must carry no credentials"),
        (["--tracking-uri", "sqlite:///mlflow.db"], "--store-on-head"),
        (["--set", "workloads.0.data_root=data"], "data_root: must be an absolute path"),
        (["--set", "workloads.0.data_root=~/data"], "--data-on-cluster"),
        (["--code", "/nonexistent"], "--code must be a folder"),
    ],
)
def test_what_cannot_run_on_a_cluster_is_refused_before_anything_is_sent(
    cli: Cli, tmp_path: Path, options: list[str], words: str
) -> None:
    assert cli("launch", study_file(tmp_path), "--address", NOBODY, *options) == 2
    said = " ".join(cli.err.split())
    assert words in said
    assert "hunter2" not in said
    assert "no Ray cluster" not in said


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (InputError("study tiny has trials that ran under other rules"), 2, "error: study tiny has trials that ran"),
        (TrackerError("MLflow does not answer"), 1, "error: no Ray cluster"),
    ],
)
def test_an_edit_that_the_record_refuses_is_not_submitted_and_a_record_that_is_silent_refuses_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Exception, code: int, words: str
) -> None:
    def answer(*_: object) -> None:
        raise said

    monkeypatch.setattr("sweeps.recording.refuse_other_rules", answer)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert cli("launch", study_file(tmp_path), "--address", NOBODY) == code
    assert cli.err.startswith(words)


def test_one_link_is_printed_per_study_unless_there_is_one_study(capsys: pytest.CaptureFixture[str]) -> None:
    studies = [(name, str(number), tiny_study(study=name), None) for number, name in enumerate(["a", "b", "c"])]
    look._print_links("http://127.0.0.1:5000", studies, browser=False)
    assert len(capsys.readouterr().out.splitlines()) == 2 * 3 + 1
    look._print_links("http://127.0.0.1:5000", studies[:1], browser=False)
    assert "Search" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["launch", "quickstart"], ["status"], ["logs", "tiny"], ["stop", "tiny"]])
def test_a_dead_address_is_one_line_and_exit_code_1(cli: Cli, command: list[str]) -> None:
    assert cli(*command, "--address", NOBODY) == 1
    assert cli.err.startswith(f"error: no Ray cluster at --address {NOBODY}: Connection refused")
    assert len(cli.err.splitlines()) == 1


def test_options_for_jobs_are_refused_where_nothing_is_submitted(cli: Cli, tmp_path: Path) -> None:
    assert cli("launch", study_file(tmp_path), "--follow", "--store-on-head") == 2
    assert "--follow, --store-on-head must be left away unless --address is http://HOST:PORT" in cli.err


@pytest.mark.parametrize("command", ["logs", "stop"])
def test_a_job_is_asked_for_at_an_address_that_may_stand_in_the_environment(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("FAIRSWEEP_ADDRESS", raising=False)
    assert cli(command, "tiny") == 2
    assert "FAIRSWEEP_ADDRESS" in cli.err
    monkeypatch.setenv("FAIRSWEEP_ADDRESS", NOBODY)
    assert cli(command, "tiny") == 1
    assert NOBODY in cli.err


def test_no_arguments_show_the_help(cli: Cli) -> None:
    assert cli() in {0, 2}
    assert "launch" in cli.out + cli.err


def test_download_says_what_stands_in_the_way_and_where_the_files_are(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refused)
    assert cli("download", "cifar10", str(tmp_path)) == 1
    assert f"cifar10 could not be fetched into {tmp_path}" in cli.err
    assert cli("download", "digits", str(tmp_path)) == 2
    monkeypatch.setattr("torchvision.datasets.CIFAR10.__init__", lambda *_, **__: None)
    assert cli("download", "cifar10", str(tmp_path)) == 0
    assert f"export FAIRSWEEP_DATA={tmp_path}" in cli.out


@pytest.mark.parametrize(
    ("error", "last"),
    [
        ("Traceback ...\n  line 3\nown_code.errors.TooHot: hot\n\n", "TooHot: hot"),
        ("ValueError: no more than 3 batches", "ValueError: no more than 3 batches"),
        ("own_code.errors.TooHot", "own_code.errors.TooHot"),
        ("The trial's process died.", "The trial's process died."),
        ("", "no message"),
    ],
)
def test_a_failure_is_summed_up_by_the_last_line_of_its_traceback(error: str, last: str) -> None:
    assert _last_line(error) == last
