"""What is refused before a study is submitted to a cluster. Pure: nothing is asked over the network."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sweeps.errors import InputError, Problem, StudyError
from sweeps.places import check_tracking_uri, is_served, without_credentials

if TYPE_CHECKING:
    from sweeps.jobs.bundle import Code
    from sweeps.spec import Study

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|0\.0\.0\.0")

#: Where no machine has another's files: temporary ones, and disks as macOS and Windows (in WSL) show them.
_OF_ONE_MACHINE = re.compile(
    r"/(tmp|var/(tmp|folders)|dev/shm|run/(user|media)|private|Users|Volumes|cygdrive|mnt/[a-zA-Z])(/|$)"
)

#: They are on every node, whatever folder they lie in here.
_OWN_PACKAGES = ("schedules", "models", "sweeps", "analysis")


def jobs_url(address: str) -> str:
    """Return the address of a Jobs API in the form that requests are built on.

    Raises:
        InputError: it has no host, carries a password, or goes on after the port.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    wanted = "--address must be http://HOST:PORT of the head node's dashboard, or https:// of a proxy before it"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InputError(f"{wanted}; got {without_credentials(address)!r}.")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            f"{wanted}, without user and password; got {without_credentials(address)!r}. The cluster's token belongs "
            "in the file that RAY_AUTH_TOKEN_PATH names."
        )
    if parts.query or parts.fragment:
        raise InputError(f"{wanted}; got {address!r}.")
    return address.rstrip("/")


def tracking_uri_for(given: str | None, here: str | None, *, on_head: bool = False) -> str | None:
    """Return the tracking store that a job is told to record in; None leaves it to the cluster's own environment.

    Args:
        given: what the user said for this job, as the cluster sees it.
        here: ``MLFLOW_TRACKING_URI`` of this machine. It is passed on where it can mean the same there: a server that
            is not on this machine, unless `on_head`.
        on_head: the user wants a database on the head node.

    Raises:
        InputError: it carries a password, is not a server, or both it and a database on the head node are asked for.
    """
    if given and on_head:
        raise InputError(
            f"--tracking-uri and --store-on-head must not be given together; got {without_credentials(given)!r}. "
            "Results go to one store."
        )
    for name, address in (("--tracking-uri", given), ("MLFLOW_TRACKING_URI", here)):
        if address:
            check_tracking_uri(address, name)
    uri = given or (here if here and is_served(here) and not _is_loopback(here) and not on_head else None)
    if uri is None:
        return None
    if without_credentials(uri) != uri or (is_served(uri) and urlsplit(uri).query):
        raise InputError(
            f"the tracking URI of a job must carry no credentials; got {without_credentials(uri).partition('?')[0]!r}. "
            "Job entries are shown by the dashboard and kept by the cluster: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) in the environment of the cluster's nodes, and give "
            "the URI without them."
        )
    if not is_served(uri):
        raise InputError(
            f"--tracking-uri must be the address of an MLflow server, as the cluster sees it; got {uri!r}. A database "
            "file would lie on the disk of the head node; where you want that, use --store-on-head instead."
        )
    return uri


def _is_loopback(uri: str) -> bool:
    return bool(_LOOPBACK.fullmatch(urlsplit(uri).hostname or ""))


def check_data_roots(study: Study, own_folders: Sequence[Path], on_cluster: bool) -> None:
    """Refuse data folders that can hardly exist on the cluster's nodes.

    The disk over there cannot be seen from here, and a folder that is here may be there too. A relative folder means
    another one there; one inside the user's home or project, for temporary files or on a disk of this machine is not
    there, unless the user says so.

    Args:
        study: the study to be submitted.
        own_folders: absolute folders of this machine: the user's home and project, and that for temporary files.
        on_cluster: the user says that absolute folders are there too.

    Raises:
        StudyError: there are such folders; all of them are named.
    """
    problems = list(_local_folders(study, own_folders, on_cluster))
    if problems:
        raise StudyError(study.study, problems)


def _local_folders(study: Study, own_folders: Sequence[Path], on_cluster: bool) -> Iterator[Problem]:
    elsewhere = "Leave it out and set FAIRSWEEP_DATA on the cluster's nodes, or name a folder that every node has"
    shared = f"{elsewhere}; if this one is there too, such as on a shared disk, say so with --data-on-cluster."
    for index, workload in enumerate(study.workloads):
        root = workload.data_root
        if root is None:
            continue
        in_home = str(root).startswith("~")
        place = Path("/", os.path.normpath(root).lstrip("/"))  # /mnt/../home/me and //home/me are in a home
        if not in_home and not root.is_absolute():
            condition, remedy = "must be an absolute path for a job on a cluster", f"{elsewhere}."
        elif on_cluster:
            continue
        elif in_home or any(place.is_relative_to(own) for own in _with_targets(own_folders)):
            condition = "must not be inside your home, project or folder for temporary files for a job on a cluster"
            remedy = shared
        elif _OF_ONE_MACHINE.match(str(place)):
            condition, remedy = "must be on a disk that the nodes have for a job on a cluster", shared
        else:
            continue
        yield Problem(("workloads", index, "data_root"), f"{condition}; got {str(root)!r}. {remedy}")


def check_own_code(study: Study, here: Path, code: Code | None) -> None:
    """Refuse code of the user's that a study names, and that does not travel: the cluster does not have it.

    Nothing is imported. What is installed here counts as installed there too.

    Args:
        study: the study to be submitted.
        here: the current folder, in which Python looks last.
        code: what travels, or None.

    Raises:
        StudyError: there is such code; all of it is named.
    """
    problems = [
        Problem(("workloads", index, field), _not_sent(name, file, code))
        for index, workload in enumerate(study.workloads)
        for field, name in workload.elsewhere.items()
        if (file := _own_file(name, here)) and not (code and file in code.sizes)
    ]
    if problems:
        raise StudyError(study.study, problems)


def _own_file(name: str, here: Path) -> str | None:
    """Return the file in the current folder that ``package.module:function`` means, or None where it is another's."""
    parts = name.partition(":")[0].split(".")
    elsewhere = [path for path in sys.path if path and Path(path).resolve() != here.resolve()]
    installed = PathFinder.find_spec(parts[0], elsewhere)
    if parts[0] in _OWN_PACKAGES or (installed and installed.origin):  # None for any folder of that name
        return None
    files = (f"{'/'.join(parts)}.py", f"{'/'.join(parts)}/__init__.py")
    return next((file for file in files if (here / file).is_file()), None)


def _not_sent(name: str, file: str, code: Code | None) -> str:
    if code is None:
        remedy = "Send the folder, a git repository, with --code ."
    else:
        remedy = f"--code {code.folder} has no {file}, or git ignores it: send the folder that {file} is in."
    return f"must be code that the cluster has, or that travels; got {name!r}, which is {file} of this folder. {remedy}"


def _with_targets(folders: Sequence[Path]) -> set[Path]:
    """Return folders and what they are links to, without the root, which says nothing."""
    return {path for folder in folders for path in (folder, folder.resolve()) if path != path.parent}
