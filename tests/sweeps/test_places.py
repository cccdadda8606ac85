"""Places that cannot be used, told by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.cluster import joining
from sweeps.cluster.addresses import check_address
from sweeps.cluster.joining import joined
from sweeps.cluster.probing import ask_head
from sweeps.errors import InputError
from sweeps.places import Places, check_tracking_uri, is_served
from sweeps.recording import TrackerError, connect


def test_a_home_that_cannot_be_made_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path / "file" / "home")})
    with pytest.raises(
        TrackerError, match=r"^FAIRSWEEP_HOME must be a folder that can be written; got .*/file/home: Not"
    ):
        connect(places)


def test_a_home_that_may_not_be_read_is_bad_input_and_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:  # as root, who may read all, there is no such folder
        raise PermissionError(13, "Permission denied")

    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)})
    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(InputError, match=f"must be one that you can read; got {tmp_path}. Set FAIRSWEEP_HOME"):
        _ = places.is_new


def test_a_client_of_a_server_makes_no_folder(tmp_path: Path) -> None:
    environment = {"FAIRSWEEP_HOME": str(tmp_path / "home"), "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    connect(Places.from_environment(environment))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("mlflow.example.com:80/", "http://mlflow.example.com:80"),
        ("mlflow:5000/prefix", "http://mlflow:5000/prefix"),
        ("http:/127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https:/mlflow:443", "https://mlflow:443"),
        ("htp://me:secret@127.0.0.1:5000", "http://***@127.0.0.1:5000"),
        ("me:secret@127.0.0.1:5000", "http://***@127.0.0.1:5000"),
        ("me:se@secret@mlflow:5000", "http://***@mlflow:5000"),
        ("http:/me:secret@mlflow:5000", "http://***@mlflow:5000"),
        ("postgres://me:secret@host:5432/runs", "postgresql://***@host:5432/runs"),
        ("databricks.example.com:5000", "http://databricks.example.com:5000"),
        ("me:secret@mlflow", ""),
        ("mlflow.example.com", ""),
        ("./mlruns", ""),
        ("file:///tmp/mlruns", ""),
        ("http://", ""),
        ("sqlite://runs.db", ""),
        ("sqlite://", ""),
        ("sqlite:///:memory:", ""),
        ("postgresql", ""),
        ("", ""),
    ],
)
def test_a_tracking_uri_that_is_no_server_and_no_database_is_refused_with_the_one_that_was_meant(
    uri: str, meant: str
) -> None:
    with pytest.raises(InputError) as refused:
        check_tracking_uri(uri, "--tracking-uri")
    said = str(refused.value)
    assert said.startswith("--tracking-uri must be the address of a server (http://HOST:PORT) or of a database")
    assert said.partition("Did you mean ")[2] == (f"{meant}?" if meant else "")
    assert "secret" not in said


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000", "https://me:pw@mlflow.example.com/prefix", "databricks", "databricks://profile",
        "sqlite:///runs.db", "sqlite:////srv/runs.db", "postgresql://h/db", "postgresql+psycopg://h/db",
        "mysql+pymysql://h/db", "mssql+pyodbc://h/db", "sqlite+pysqlite:///runs.db", "HTTP://mlflow:5000", "postgresql://",
        "databricks-uc", "azureml://eastus.api.azureml.ms/mlflow/v1.0", "arn:aws:sagemaker:eu:1:mlflow/x",
    ],
)  # fmt: skip
def test_a_tracking_uri_that_mlflow_can_use_is_taken_as_it_is(uri: str) -> None:
    places = Places.from_environment({"MLFLOW_TRACKING_URI": uri})
    assert places.tracking_uri == uri
    is_database = uri.startswith(("sqlite", "postgresql", "mysql", "mssql"))
    assert is_served(uri) == (not is_database) == (places.artifact_root is None)


def test_a_tracking_uri_of_the_environment_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match=r"^MLFLOW_TRACKING_URI must be the address of .*; got 'mlflow:5000'\."):
        Places.from_environment({"MLFLOW_TRACKING_URI": "mlflow:5000"})


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_is_none_is_refused_before_anything_starts(port: str) -> None:
    with pytest.raises(InputError, match="--address must be local, auto, HOST:PORT"):
        check_address(f"head:{port}")


def test_a_host_that_no_machine_can_have_is_nobody() -> None:
    assert ask_head(f"{'a' * 70}:6379") == "nobody"


def test_a_mistake_of_ours_is_not_said_to_be_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake() -> str:
        raise ValueError("ours")

    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setattr(joining, "own_token", mistake)
    with pytest.raises(ValueError, match=r"^ours$"), joined("local"):
        pass
