"""Join a Ray cluster, or start one on this machine, and leave it whatever happens."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._private import worker as ray_worker
from ray.exceptions import AuthenticationError

from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.probing import Answer, ask_dashboard, ask_head
from sweeps.cluster.tokens import find_token, own_token, private_token

#: A Ray worker gives freed memory back at once and faults it in again at the next batch: 12,000 page faults and 7 % of
#: the time of a 0.3 s trial, against none in a bare process. These make it keep what it will need again.
WORKER_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}

#: Added to the niceness of a worker. Ray's 15 leaves it a thirtieth of what any other busy program gets.
_NICENESS = ("RAY_worker_niceness", "0")

_NOT_TAKEN = (
    "the Ray cluster at --address {} does not take our token, or there is none to send. Put the cluster's token in a "
    "file that only you can read, and name it in RAY_AUTH_TOKEN_PATH."
)
_NOBODY = "no Ray cluster at --address {}: nothing listens there."
_PRIVATE = (
    "no Ray cluster at --address {}: nothing listens at {}, where it should be. It has ended, or is the Ray of another "
    "launch, which listens on 127.0.0.1 only and cannot be joined. To submit through a dashboard, write http://HOST:PORT."
)
_OPEN = (
    "the Ray cluster at --address {} answers to requests without a token: anyone who reaches it can run code on it. "
    "Start it with RAY_AUTH_MODE=token, or give --allow-unauthenticated if its network lets nobody else in."
)
_PREFIX, _IN_USE = "fairsweep-ray-", "in-use"
_ENDS = (signal.SIGINT, signal.SIGTERM)
_ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """A folder of one launch, and the open file that marks it as in use."""

    path: Path
    mark: int


@contextmanager
def joined(address: str, *, allow_open: bool = False) -> Iterator[None]:
    """Join the cluster at `address`, or start one here; leave it at the end.

    Args:
        address: ``local`` starts Ray here for the time of the block, on the loopback interface and with a token of its
            own; ``auto`` joins the running cluster that this machine is a node of, and ``HOST:PORT`` names the head of
            that cluster.
        allow_open: use a cluster even if it answers to requests without a token.

    Raises:
        InputError: others can read the file with our token.
        ClusterError: there is no cluster at `address`, it does not take our token, or it wants none.
    """
    for name in ("ray", "ray.tune", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    temporary: _Folder | None = None
    try:
        if address == "local":
            temporary = _own_folder()
        dashboard = _connect(address, temporary, allow_open=allow_open)
        if not allow_open:
            head = ask_head(ray.get_runtime_context().gcs_address)
            refuse_open_cluster(address, head, ask_dashboard(f"http://{dashboard}") if dashboard else None)
    except BaseException:  # Ctrl-C while Ray starts included
        _leave(temporary)
        raise
    try:
        with _quiet():
            yield
    finally:
        _leave(temporary)


def remove_leftovers(parent: Path) -> None:
    """Remove the folders in `parent` of launches that were killed before they could remove them."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / _IN_USE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held as long as the launch lives
            shutil.rmtree(folder, ignore_errors=True)


def _own_folder() -> _Folder:
    """Make a folder for what Ray writes, marked as in use until this process closes the mark or ends."""
    remove_leftovers(Path(tempfile.gettempdir()))
    # A short path of its own: those of Ray's sockets must stay under 108 bytes.
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise ClusterError(f"Ray needs a folder in {tempfile.gettempdir()}: {error.strerror}.") from error
    unseen = path / f"{_IN_USE}.new"  # until it is locked: another launch removes what it finds unlocked
    mark = os.open(unseen, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(mark, fcntl.LOCK_EX)
    unseen.rename(path / _IN_USE)
    return _Folder(path=path, mark=mark)


def _connect(address: str, temporary: _Folder | None, *, allow_open: bool) -> str | None:
    """Connect to a cluster, or start one in `temporary`; return the address of its dashboard if it has one."""
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
    }
    if os.environ["RAY_AUTH_MODE"] != "token" and not allow_open:
        raise ClusterError(
            f"RAY_AUTH_MODE must be token or unset; got {os.environ['RAY_AUTH_MODE']!r}. A Ray cluster without "
            "tokens runs the code of anyone who reaches it."
        )
    if temporary is None:
        if private_token(os.environ) is None and allow_open:
            os.environ["RAY_AUTH_TOKEN"] = own_token()  # Ray insists on one, and an open cluster takes any
        _check_head(address, allow_open=allow_open)
        with _saying_why_not(address), _ending_in_order():
            return ray.init(address=address, **common).dashboard_url or None
    # A token of its own, in the environment of our processes only. Ray would write one to the home folder, for all to
    # read; and a token that opens another cluster has no business here.
    os.environ["RAY_AUTH_TOKEN"] = own_token()
    os.environ.setdefault(*_NICENESS)
    with _saying_why_not("local"), _loopback_only(), _ending_in_order():
        # Ray opens its folder to everyone, so it stands in one that is ours alone.
        ray.init(address="local", include_dashboard=False, _temp_dir=str(temporary.path / "ray"), **common)
    return None


def _check_head(address: str, *, allow_open: bool) -> None:
    """Raise ClusterError at once where Ray would try for minutes, or join a cluster that is open to all."""
    with _saying_why_not(address):
        head = services.canonicalize_bootstrap_address_or_die(address)  # as Ray does: 127.0.0.1 becomes another
    answer = ask_head(head)
    if answer == "nobody":
        is_named = address != "auto" and ask_head(address) == "nobody"
        raise ClusterError(_NOBODY.format(address) if is_named else _PRIVATE.format(address, head))
    if answer == "answered" and not allow_open:
        raise ClusterError(_OPEN.format(address))
    token = find_token(os.environ) if os.environ["RAY_AUTH_MODE"] == "token" else None
    if answer == "refused" and (token is None or ask_head(head, token) == "refused"):
        raise ClusterError(_NOT_TAKEN.format(address))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray from writing to our standard output, as it does when a worker dies: that is ours to say."""
    name = "print_to_stdstream"  # not public; without it, Ray writes
    before = getattr(ray_worker, name, None)
    if before is not None:
        setattr(ray_worker, name, lambda *_, **__: None)
    try:
        yield
    finally:
        if before is not None:
            setattr(ray_worker, name, before)


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Let what Ray starts listen on 127.0.0.1, as it does on systems where it supports one machine only.

    By default all its processes listen on all interfaces.
    """
    before = os.environ.get(_ONE_MACHINE), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[_ONE_MACHINE], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        if before[0] is None:
            del os.environ[_ONE_MACHINE]
        else:
            os.environ[_ONE_MACHINE] = before[0]
        ray_constants.ENABLE_RAY_CLUSTER = before[1]


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM interrupt the start of Ray, which sets its own answer to it: to end the process at once.

    While its core starts, some tenths of a second, another answer of its own ends the process with SIGABRT.
    """
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        if end.code == signal.SIGTERM:
            raise KeyboardInterrupt from end
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)


def refuse_open_cluster(address: str, head: Answer, dashboard: Answer | None) -> None:
    """Refuse a joined cluster that is open to strangers, or may be.

    Args:
        address: of the cluster, as given.
        head: what its head says to a stranger. It must refuse: who gets past it needs no dashboard.
        dashboard: what its dashboard says to a stranger, or None where it has none. One that does not answer is no
            danger.

    Raises:
        ClusterError: one of them answers, or the head does not clearly refuse.
    """
    if "answered" in {head, dashboard}:
        raise ClusterError(_OPEN.format(address))
    if head != "refused":
        raise ClusterError(
            f"it is unclear whether the Ray cluster at --address {address} refuses requests without a token. "
            "Give --allow-unauthenticated if its network lets nobody else in."
        )


@contextmanager
def _saying_why_not(address: str) -> Iterator[None]:
    """Turn whatever Ray raises as it starts or connects into one of ours; it raises bare exceptions too."""
    try:
        yield
    except Exception as error:
        raise ClusterError(_why_not(address, error)) from error


def _why_not(address: str, error: Exception) -> str:
    reason = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        return _NOT_TAKEN.format(address)
    if "AF_UNIX" in reason:
        folder = tempfile.gettempdir()
        return f"Ray cannot make its sockets in {folder}, whose path is too long: set TMPDIR to a shorter one."
    if address == "local":
        return f"Ray did not start on this machine: {reason[:300]} If it was only busy, launch again."
    return f"no Ray cluster at --address {address}: {reason[:300]}"


def _leave(temporary: _Folder | None) -> None:
    """Leave the cluster and remove its files; a second Ctrl-C or SIGTERM must not interrupt that."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    heeded = {n: signal.signal(n, signal.SIG_IGN) for n in _ENDS} if in_main_thread else {}
    try:
        ray.shutdown()
    finally:
        if temporary:
            shutil.rmtree(temporary.path, ignore_errors=True)
            os.close(temporary.mark)
        for number, handler in heeded.items():
            signal.signal(number, handler)
