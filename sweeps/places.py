"""Where a launch keeps things: the tracking store, the spool, reports, Ray's scratch files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schedules.checks import closest
from sweeps.errors import InputError

_SERVERS = frozenset({"http", "https"})
_DATABASES = frozenset({"sqlite", "postgresql", "mysql", "mssql"})


def is_served(tracking_uri: str) -> bool:
    """Tell whether a store is behind a server already, as opposed to a database on this machine."""
    is_address = re.match(r"databricks|arn:|\w[\w+.-]*://", tracking_uri)
    return bool(is_address) and _engine(tracking_uri) not in {*_DATABASES, "file"}


def _engine(uri: str) -> str:
    return uri.partition("://")[0].lower().partition("+")[0]


def without_credentials(text: str) -> str:
    """Return `text` with the user and password of every address in it masked."""
    return re.sub(r"(?<=://)[^/\s]+@", "***@", text)


def check_tracking_uri(uri: str, given_as: str = "MLFLOW_TRACKING_URI") -> None:
    """Check that MLflow can take a text for the address of a server or of a database.

    A scheme that is none of MLflow's own may be that of a plugin, unless it looks like a misspelling.

    Args:
        uri: the text.
        given_as: the variable or option that holds it; for the message.

    Raises:
        InputError: it is neither; with what was meant, if that can be told.
    """
    engine, (_, separator, rest) = _engine(uri), uri.partition("://")
    near = closest(engine, _SERVERS | _DATABASES) if separator else ""
    if engine == "sqlite":
        is_fine = bool(re.fullmatch(r"/[^:?].*", rest))
    elif near == engine:
        is_fine = engine in _DATABASES or bool(rest.strip("/"))
    else:
        is_plugin = bool(rest) and not near and engine != "file"
        is_fine = is_plugin or bool(re.fullmatch(r"databricks(-uc)?|arn:\S+", uri))
    if is_fine:
        return
    meant = f"{near}://{rest}" if near not in {"", engine} else _address_in(uri)
    hint = f" Did you mean {_masked(meant)}?" if meant else ""
    raise InputError(
        f"{given_as} must be the address of a server (http://HOST:PORT) or of a database (sqlite:///FILE, "
        f"postgresql://...); got {_masked(uri)!r}.{hint}"
    )


def _address_in(uri: str) -> str:
    """Return the server that is meant by an address without a scheme, or with a slash too few; empty if none is."""
    host = r"(?:\S+@)?(?:[A-Za-z][\w.-]*|\d+(?:\.\d+){3}):\d+"
    found = re.fullmatch(rf"(?:(https?):/)?({host})(/\S*)?", uri)
    return f"{found[1] or 'http'}://{found[2]}{(found[3] or '').rstrip('/')}" if found else ""


def _masked(uri: str) -> str:
    """Return an address with its user and password masked, wherever a misspelt one has them."""
    return re.sub(r"[^/\s]*@", "***@", uri)


def home_in(environment: Mapping[str, str]) -> Path:
    """Return the folder for everything fairsweep writes; ``FAIRSWEEP_HOME``, by default ``fairsweep-runs`` here."""
    return Path(environment.get("FAIRSWEEP_HOME") or "fairsweep-runs").absolute()


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
        home = home_in(environment)
        uri = environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
        check_tracking_uri(uri)
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
