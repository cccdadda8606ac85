"""Ray's tokens: whoever has the token of a cluster can run code on it. Imports no Ray."""

from __future__ import annotations

import functools
import secrets
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from sweeps.errors import InputError


@functools.cache
def own_token() -> str:
    """Return a token that only this process knows, the same at each call."""
    return secrets.token_hex(32)


def token_file(environment: Mapping[str, str]) -> Path:
    """Return the file in which Ray looks for a token when ``RAY_AUTH_TOKEN`` is not set."""
    return Path(environment.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def find_token(environment: Mapping[str, str]) -> str | None:
    """Return the token that Ray would send, or None where there is none.

    Args:
        environment: looked through as Ray does: ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH``, ``~/.ray/auth_token``.
    """
    if given := environment.get("RAY_AUTH_TOKEN", "").strip():
        return given
    try:
        return token_file(environment).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def private_token(environment: Mapping[str, str]) -> str | None:
    """Return the token that Ray would send, and make sure that nobody else on this machine can read it.

    ``~/.ray/auth_token`` is tightened: Ray itself writes it for all to read.

    Args:
        environment: looked through as by `find_token`.

    Raises:
        InputError: others can read the file with the token.
    """
    file = token_file(environment)
    if not environment.get("RAY_AUTH_TOKEN", "").strip() and file.is_file() and not is_private(file):
        refusal = InputError(
            f"the token of a cluster must be in a file that only you can read; got {file}, which others can. Whoever "
            f"has it runs any code there. Run: chmod 600 {shlex.quote(str(file))}"
        )
        if environment.get("RAY_AUTH_TOKEN_PATH"):
            raise refusal
        try:
            file.chmod(0o600)
        except OSError:
            raise refusal from None
    return find_token(environment)


def is_private(file: Path) -> bool:
    """Tell whether a file can be read by its owner only."""
    return not stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
