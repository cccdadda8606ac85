"""Who can reach the MLflow page that is served here: this machine alone, or others with a password."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.errors import InputError

LOOPBACK = "127.0.0.1"
PREFERRED_PORT = 5000
PASSWORD_VARIABLE = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105 (a name)
USER = "admin"
MIN_PASSWORD_LENGTH = 12  # MLflow's own rule

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_ANY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 (compared with)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where a server listens, by which names it is asked for, and what it asks for.

    Args:
        host: address of the interface to listen on.
        port: port to listen on; when it is taken, or 0, any free one.
        names: further names of this machine that browsers may use.
        password: what the server asks for, or None for a server that only this machine can reach.
    """

    host: str = LOOPBACK
    port: int = PREFERRED_PORT
    names: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)

    @property
    def asked_at(self) -> str:
        """Return the name under which to ask the server."""
        return (self.names[0] if self.names else socket.gethostname()) if self.host in _ANY_INTERFACE else self.host

    @property
    def reached_at(self) -> str:
        """Return the address at which this machine itself reaches the server."""
        return LOOPBACK if self.host in _ANY_INTERFACE else self.host

    def url(self, port: int) -> str:
        """Return the address of the server on `port` for a browser."""
        return f"http://{_bracketed(self.asked_at)}:{port}"

    def environment(self, port: int, folder: Path) -> dict[str, str]:
        """Return what MLflow reads from its environment to let in those who may come in.

        Args:
            port: the port that is listened on.
            folder: for MLflow's table of users; ours alone, and gone with the server.
        """
        named = [_bracketed(name) for name in dict.fromkeys(["localhost", LOOPBACK, *self._own_names()])]
        variables = {
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{name}:{port}" for name in named),
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in named),
        }
        if self.password:
            settings = folder / "auth.ini"
            settings.write_text(
                f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{folder / 'users.db'}\n"
                f"admin_username = {USER}\n"
                "auth_cache_ttl_seconds = 60\n"  # else each request costs the hashing of a password
                "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
                encoding="utf-8",
            )
            variables |= {
                "MLFLOW_AUTH_CONFIG_PATH": str(settings),
                "MLFLOW_AUTH_ADMIN_USERNAME": USER,
                PASSWORD_VARIABLE: self.password,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            }
        return variables

    def _own_names(self) -> list[str]:
        if self.host not in _ANY_INTERFACE:
            return [self.host, *self.names]
        return [socket.gethostname(), socket.getfqdn(), *_addresses(), *self.names]


THIS_MACHINE = Access()


def access(host: str, port: int, names: Sequence[str], environment: Mapping[str, str]) -> Access:
    """Return who can reach a server at `host`, and refuse to let others in without a password.

    Args:
        host: address of an interface of this machine.
        port: port to listen on.
        names: further names of this machine that browsers may use.
        environment: where the password is.

    Raises:
        InputError: the address or a name is none, others could come in without a password, or MLflow cannot ask for
            one.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(f"--allowed-host must be a host name; got {name!r}.")
    if is_loopback(host):
        return Access(host=host, port=port, names=tuple(names))
    if not (_NAME.fullmatch(host) or _is_address(host)):
        raise InputError(f"--host must be an address of this machine; got {host!r}.")
    password = environment.get(PASSWORD_VARIABLE, "")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InputError(
            f"--host {host} lets others in, so that {PASSWORD_VARIABLE} must be a password of at least "
            f"{MIN_PASSWORD_LENGTH} characters; got {'a shorter one' if password else 'none'}. Or keep {LOOPBACK} and "
            f"reach it from elsewhere through: ssh -L {port}:{LOOPBACK}:{port} THIS-MACHINE"
        )
    if importlib.util.find_spec("flask_wtf") is None:
        raise InputError("--host needs a package with which MLflow asks for passwords: pip install 'fairsweep[server]'")
    return Access(host=host, port=port, names=tuple(names), password=password)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens at `host`."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _addresses() -> list[str]:
    """Return the addresses of this machine."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(place[0]) for *_, place in found]
