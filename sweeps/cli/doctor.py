"""The command doctor: is this machine fit to launch studies, and are its secrets kept?"""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from packaging.version import Version
from rich.markup import escape
from rich.table import Table

from sweeps.access import is_loopback
from sweeps.cli.console import err, out
from sweeps.cluster.tokens import find_token, is_private, token_file
from sweeps.errors import FairsweepError, InputError
from sweeps.places import Places, home_in, is_served, without_credentials
from sweeps.provenance import package_versions

#: The oldest versions without holes that matter here, as pyproject.toml has them, and why.
MINIMUMS = {
    "ray": ("2.59", "older ones start clusters without tokens, or have CVE-2025-62593 or CVE-2026-27482"),
    "mlflow": ("3.16.1", "older ones have CVE-2026-2635, a password that everybody knows"),
}
_MIN_OPEN_FILES = 4096
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Args:
        name: what was checked.
        text: what was found, and where it is not well, what to do.
        ok: it is well; None where it depends on what is wanted.
    """

    name: str
    text: str
    ok: bool | None = True


def doctor() -> None:
    """Check versions, devices, the tracking store, room on disk, limits, and who can read the tokens."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    healthy = True
    with err.status("looking ..."):
        for finding in _findings(os.environ):
            healthy = healthy and finding.ok is not False
            mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}[finding.ok]
            table.add_row(mark, finding.name, escape(finding.text))
    out.print(table)
    if not healthy:
        raise typer.Exit(1)


def _findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    about = f"{platform.python_version()} on {platform.platform(terse=True)}"
    yield Finding(name="python", text=about, ok=sys.version_info >= (3, 11))
    for name, version in package_versions().items():
        yield version_finding(name, version)
    yield _cpu()
    yield _gpus()
    yield _writable("home", home_in(environment), "FAIRSWEEP_HOME")
    yield _decoded_images(environment)
    try:
        yield from _store(Places.from_environment(environment))
    except InputError as error:
        yield Finding(name="tracking", text=str(error), ok=False)
    yield _data(environment)
    yield _room_for_ray(environment)
    yield shared_memory_finding(Path("/dev/shm"))  # noqa: S108 (looked at only)
    yield open_files_finding(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield auth_finding(environment)
    yield from credentials_findings(environment)
    yield _ui()


def version_finding(name: str, version: str) -> Finding:
    """Judge the installed version of a package."""
    if version == "not installed":
        return Finding(name=name, text=version, ok=False)
    if name not in MINIMUMS:
        return Finding(name=name, text=version)
    minimum, reason = MINIMUMS[name]
    if Version(version) >= Version(minimum):
        return Finding(name=name, text=f"{version} (at least {minimum}: {reason})")
    return Finding(name=name, text=f"{version}; must be at least {minimum}: {reason}", ok=False)


def _cpu() -> Finding:
    from models.training import cpu_computes_in

    quick = ", ".join(precision for precision in ("bf16", "fp16") if cpu_computes_in(precision))
    return Finding(name="cpu", text=f"{os.cpu_count()} cores; beside fp32 it has instructions for {quick or 'none'}")


def _gpus() -> Finding:
    import torch

    if not torch.cuda.is_available():
        text = "none that torch can use; studies with resources.gpu need another --address"
        return Finding(name="gpu", text=text, ok=None)
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding(name="gpu", text=", ".join(names))


def _decoded_images(environment: Mapping[str, str]) -> Finding:
    from models.data.cache import CACHE_VARIABLE, cache_folder

    folder = cache_folder(environment)
    finding = _writable("decoded images", folder, CACHE_VARIABLE)
    size = sum(_size(path) for path in folder.glob("*/*"))
    return replace(finding, text=f"{finding.text}, {size / 2**30:.1f} GiB of them") if finding.ok else finding


def _size(path: Path) -> int:
    with suppress(OSError):  # a training that decodes images beside this moves its files
        return path.stat().st_size if path.is_file() else 0
    return 0


def _writable(name: str, folder: Path, variable: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_text("x", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        return Finding(name=name, text=f"{folder} is not writable: {error.strerror}; set {variable}", ok=False)
    free = shutil.disk_usage(folder).free / 2**30
    advice = "" if free > 1 else f"; make room, or set {variable}"
    return Finding(name=name, text=f"{folder} ({free:.0f} GiB free{advice})", ok=free > 1)


def _store(places: Places) -> Iterator[Finding]:
    from sweeps.recording import connect, recorded_studies

    try:
        found = recorded_studies(connect(places))
    except FairsweepError as error:
        yield Finding(name="tracking", text=str(error), ok=False)
        return
    yield Finding(name="tracking", text=f"{without_credentials(places.tracking_uri)} ({len(found)} studies)")
    if is_served(places.tracking_uri):
        yield tracking_auth_finding(places.tracking_uri)


def tracking_auth_finding(tracking_uri: str) -> Finding:
    """Ask a tracking server for its experiments as a stranger would, and judge its answer."""
    parts = urllib.parse.urlsplit(tracking_uri)
    if parts.scheme not in {"http", "https"}:
        return Finding(name="tracking auth", text="as the service has it", ok=None)
    host = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS):  # noqa: S310 (http or https, see above)
            refused = False
    except urllib.error.HTTPError as error:
        refused = error.code in {401, 403}
    except OSError:
        return Finding(name="tracking auth", text="no answer to a request without a password", ok=None)
    if refused and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        text = "asks for a password, and gets it unencrypted; use https, or a network that is yours alone"
        return Finding(name="tracking auth", text=text, ok=None)
    if refused:
        return Finding(name="tracking auth", text="asks for a password")
    if is_loopback(parts.hostname or ""):
        text = "asks for no password; everybody with an account on this machine can change what is recorded"
        return Finding(name="tracking auth", text=text, ok=None)
    text = "asks for no password: whoever reaches it can change what is recorded; see docs/security.md"
    return Finding(name="tracking auth", text=text, ok=False)


def _data(environment: Mapping[str, str]) -> Finding:
    data = environment.get("FAIRSWEEP_DATA")
    if not data:
        return Finding(name="data", text="FAIRSWEEP_DATA is not set; only studies on downloaded data need it", ok=None)
    there = Path(data).is_dir()
    return Finding(name="data", text=data if there else f"FAIRSWEEP_DATA: no folder {data}", ok=there)


def _room_for_ray(environment: Mapping[str, str]) -> Finding:
    folder = Path(environment.get("TMPDIR") or tempfile.gettempdir())
    free = shutil.disk_usage(folder).free / 2**30
    advice = "" if free > 1 else "; Ray writes its logs there: make room, or set TMPDIR"
    return Finding(name="scratch", text=f"{folder} ({free:.0f} GiB free{advice})", ok=free > 1)


def shared_memory_finding(folder: Path) -> Finding:
    """Judge the room for Ray's object store, through which jobs and results pass."""
    if not folder.is_dir():
        return Finding(name="shared memory", text=f"no {folder}; Ray uses files instead", ok=None)
    total = shutil.disk_usage(folder).total / 2**30
    if total < 0.5:
        text = f"{folder} has {total:.2f} GiB, so that Ray uses files instead; in Docker give --shm-size=2g"
        return Finding(name="shared memory", text=text, ok=None)
    return Finding(name="shared memory", text=f"{folder} ({total:.0f} GiB)")


def open_files_finding(limit: int) -> Finding:
    """Judge how many files one process may have open: Ray keeps several per trial that runs."""
    if limit == resource.RLIM_INFINITY or limit >= _MIN_OPEN_FILES:
        return Finding(name="open files", text="unlimited" if limit == resource.RLIM_INFINITY else f"{limit} at a time")
    text = f"{limit} at a time is little for many trials at a time; run: ulimit -n 65536"
    return Finding(name="open files", text=text, ok=None)


def auth_finding(environment: Mapping[str, str]) -> Finding:
    """Judge whether Ray clusters started or joined here ask for a token."""
    mode = environment.get("RAY_AUTH_MODE", "token")
    if mode != "token":
        text = f"RAY_AUTH_MODE={mode}: launch will refuse to start or join a cluster; unset it"
        return Finding(name="ray auth", text=text, ok=False)
    if find_token(environment):
        where = "RAY_AUTH_TOKEN" if environment.get("RAY_AUTH_TOKEN", "").strip() else str(token_file(environment))
        return Finding(name="ray auth", text=f"token of a cluster to join in {where}; a new one for each local launch")
    return Finding(name="ray auth", text="a new token for each local launch; none for a cluster to join")


def credentials_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Judge who can read the files with secrets that Ray and MLflow look for."""
    for name, file in (
        ("ray token", token_file(environment)),
        ("mlflow login", Path.home() / ".mlflow" / "credentials"),
    ):
        if file.exists() and is_private(file):
            yield Finding(name=name, text=f"{file} can be read by you only")
        elif file.exists():
            yield Finding(name=name, text=f"{file} can be read by others; run: chmod 600 {file}", ok=False)
        elif name == "ray token" and environment.get("RAY_AUTH_TOKEN_PATH"):
            yield Finding(name=name, text=f"RAY_AUTH_TOKEN_PATH: no file {file}", ok=False)


def _ui() -> Finding:
    if importlib.util.find_spec("flask_wtf"):
        return Finding(name="ui", text="can ask for a password (fairsweep ui --host)")
    text = "for this machine only; fairsweep ui --host needs: pip install 'fairsweep[server]'"
    return Finding(name="ui", text=text, ok=None)
