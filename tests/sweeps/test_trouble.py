"""What is said of an MLflow that cannot be used, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.places import Places
from sweeps.recording import TrackerError, connect, recorded_file
from sweeps.recording.trouble import explain
from tests.answering import Answer, answering


def said_of(uri: str, home: Path) -> str:
    places = Places.from_environment({"FAIRSWEEP_HOME": str(home), "MLFLOW_TRACKING_URI": uri})
    with pytest.raises(TrackerError) as refused:
        recorded_file(connect(places), "digits")
    said = str(refused.value)
    assert "\n" not in said
    return said.partition("does not answer as it should: ")[2]


def test_a_certificate_is_said_to_be_what_it_is() -> None:
    failed = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {} (_ssl.c:1006)"
    for reason, said in {
        "certificate has expired": "its certificate has expired",
        "Hostname mismatch, certificate is not valid for 'mlflow'.": "its certificate is for another host name",
        "self-signed certificate": "is not trusted here; MLFLOW_TRACKING_SERVER_CERT_PATH names one",
    }.items():
        assert explain("https://mlflow", OSError(failed.format(reason))).endswith(said)


def test_a_package_that_is_missing_is_no_driver_of_a_server() -> None:
    error = RuntimeError("cannot log")
    error.__cause__ = ModuleNotFoundError("No module named 'boto3'", name="boto3")
    assert explain("http://a:b@mlflow:5000", error) == (
        "MLflow at http://***@mlflow:5000 cannot be used: what MLflow needs for it, Python module boto3, is not "
        "installed here"
    )
    said_by_the_server = RuntimeError("INTERNAL_ERROR: No module named 'boto3'")
    assert "installed here" not in explain("http://mlflow:5000", said_by_the_server)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (
            403,
            b"Invalid Host header - possible DNS rebinding attack detected",
            "the server is not to be reached under this name; start it with --allowed-hosts naming the host and port",
        ),
        (
            401,
            b"You are not authenticated. Please see the documentation.",
            "it refuses the user or password (MLFLOW_TRACKING_USERNAME and _PASSWORD, or ~/.mlflow/credentials)",
        ),
        (403, b"Permission denied", "it does not allow that"),
    ],
)
def test_a_refusal_is_explained_with_its_remedy(tmp_path: Path, status: int, content: bytes, said: str) -> None:
    with answering(lambda _path, _authorization: Answer(status, content)) as address:
        assert said_of(address, tmp_path) == said


def test_a_server_without_tls_is_said_to_be_one(tmp_path: Path) -> None:
    with answering(lambda _path, _authorization: Answer()) as address:
        said = said_of(address.replace("http://", "https://"), tmp_path)
    assert said == "the server does not speak TLS there; try http:// instead of https://"


def test_a_driver_that_is_not_installed_is_named(tmp_path: Path) -> None:
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": "mssql+pymssql://h/db"})
    with pytest.raises(TrackerError, match="the driver of its database, Python module pymssql, is not installed here"):
        connect(places)
