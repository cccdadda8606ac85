"""Where a launch keeps things: the tracking store, the spool, reports, Ray's scratch files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeps.errors import InputError


def is_served(tracking_uri: str) -> bool:
    """Tell whether a store is behind a server already, as opposed to a database on this machine."""
    return tracking_uri.startswith(("http://", "https://", "databricks"))


def without_credentials(text: str) -> str:
    """Return `text` with the user and password of every address in it masked."""
    return re.sub(r"(?<=://)[^/\s@]+@", "***@", text)


def _check_tracking_uri(uri: str) -> None:
    scheme, separator, rest = uri.partition("://")
    if scheme.startswith("databricks"):
        return
    is_server = scheme in {"http", "https"} and bool(rest.strip("/"))
    is_database = bool(re.fullmatch(r"(postgresql|mysql|mssql)(\+\w+)?|sqlite", scheme)) and bool(separator and rest)
    if is_server or (is_database and not (scheme == "sqlite" and not re.fullmatch(r"/[^:?].*", rest))):
        return
    address = re.fullmatch(r"(?:\w*:/*)?((?:\S+@)?[\w.-]+:\d+)(/\S*)?", uri)
    meant = f" Did you mean http://{address[1]}?" if address else ""
    raise InputError(
        "MLFLOW_TRACKING_URI must be the address of a server (http://HOST:PORT) or of a database (sqlite:///FILE, "
        f"postgresql://...); got {without_credentials(uri)!r}.{without_credentials(meant)}"
    )


@dataclass(frozen=True)
class Places:
    """The folders and the tracking store of this machine's launches.

    Args:
        home: folder for everything fairsweep writes; ``FAIRSWEEP_HOME``, by default ``fairsweep-runs`` here.
        tracking_uri: MLflow's store; ``MLFLOW_TRACKING_URI``, by default a SQLite file in `home`.
        artifact_root: folder for artifacts, or None where the tracking server decides.
    """

    home: Path
    tracking_uri: str
    artifact_root: Path | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Places:
        """Read the places from environment variables.

        Raises:
            InputError: ``MLFLOW_TRACKING_URI`` is the address of no server and no database.
        """
        home = Path(environment.get("FAIRSWEEP_HOME") or "fairsweep-runs").absolute()
        uri = environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
        _check_tracking_uri(uri)
        return cls(home=home, tracking_uri=uri, artifact_root=None if is_served(uri) else home / "artifacts")

    @property
    def is_new(self) -> bool:
        """Tell whether the store is a SQLite file that no launch has made yet.

        Raises:
            InputError: its folder cannot be read.
        """
        file = self.tracking_uri.removeprefix("sqlite:///")
        try:
            return file != self.tracking_uri and not Path(file).exists()
        except PermissionError:
            raise InputError(
                f"the folder of the store must be one that you can read; got {Path(file).parent}. Set FAIRSWEEP_HOME "
                "to a folder of your own."
            ) from None

    def spool(self, study: str) -> Path:
        """Return the folder for results of `study` that MLflow has not taken yet."""
        return self.home / "spool" / study

    def report(self, study: str) -> Path:
        """Return the folder for the report on `study`."""
        return self.home / "reports" / study

    def range_test(self, study: str) -> Path:
        """Return the folder for the range tests of `study`."""
        return self.home / "range-tests" / study

    def checkpoints(self, study: str) -> Path:
        """Return the folder for the state of `study`'s long trials; of use to other nodes only where they share it."""
        return self.home / "checkpoints" / study

    def scratch(self, study: str) -> Path:
        """Return the folder for what Ray Tune writes while `study` runs."""
        return self.home / "scratch" / study
