"""What can be wrong between us and MLflow, and how it is said."""

from __future__ import annotations

import re

from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from sweeps.errors import FairsweepError
from sweeps.places import is_served, without_credentials

#: What a tracking store raises when it is away, refuses, its disk is full, or its driver is not installed.
TROUBLE = (MlflowException, RequestException, SQLAlchemyError, OSError, ImportError)

#: What a message is recognised by, and how it is said. The first that fits counts.
_REASONS = (
    (
        r"mlflow-artifacts URI was supplied",
        "the study was recorded through a server of this store, and its files are read through one only; set "
        "MLFLOW_TRACKING_URI to the address of that server",
    ),
    (
        r"Invalid Host header",
        "the server is not to be reached under this name; start it with --allowed-hosts naming the host and port",
    ),
    (r"certificate has expired", "its certificate has expired"),
    (r"Hostname mismatch|IP address mismatch", "its certificate is for another host name"),
    (r"CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted here; MLFLOW_TRACKING_SERVER_CERT_PATH names one"),
    (
        r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE",
        "the server does not speak TLS there; try http:// instead of https://",
    ),
    (r"Connection refused", "nobody listens there (connection refused)"),
    (r"Name or service not known|Temporary failure in name resolution|nodename nor servname", "no such host"),
    (r"[Tt]imed out|timeout", "no answer in time"),
    (r"Connection (reset|aborted)|Remote end closed|RemoteDisconnected", "the connection broke"),
    (
        r"\b401\b|[Uu]nauthenticated|not authenticated",
        "it refuses the user or password (MLFLOW_TRACKING_USERNAME and _PASSWORD, or ~/.mlflow/credentials)",
    ),
    (r"\b403\b|PERMISSION_DENIED|[Pp]ermission denied", "it does not allow that"),
    (r"readonly database|read-only", "its database cannot be written"),
    (r"database or disk is full|No space left", "its disk is full"),
    (r"database is locked", "its database is locked by another process"),
    (r"too many (\d+) error responses|error code (5\d\d)", "it answers with error {0}"),
)


class TrackerError(FairsweepError):
    """MLflow cannot be reached or refuses."""


def explain(uri: str, error: BaseException) -> str:
    """Say in one line what went wrong between us and the store at `uri`."""
    text = " ".join(str(error).split())
    if module := _missing_module(error):
        part = "what MLflow needs for it" if is_served(uri) else "the driver of its database"
        return without_credentials(
            f"MLflow at {uri} cannot be used: {part}, Python module {module}, is not installed here"
        )
    for pattern, said in _REASONS:
        if found := re.search(pattern, text):
            reason = said.format(next((group for group in found.groups() if group), ""))
            break
    else:
        reason = f"{text[:80]} … {text[-110:]}" if len(text) > 200 else text or type(error).__name__
    return without_credentials(f"MLflow at {uri} does not answer as it should: {reason}")


def _missing_module(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name
        error = error.__cause__ or error.__context__
    return ""
