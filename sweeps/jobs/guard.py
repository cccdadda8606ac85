"""Reach a Jobs API: with a token, and only where one is asked for. Imports no Ray."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.probing import ask_dashboard
from sweeps.cluster.tokens import token_file

_TIMEOUT_SECONDS = 10.0
#: Without the one that follows redirections: it would hand the token to whatever host it is sent to. And without the
#: one that heeds ``http_proxy``: a proxy would hear the token too.
_HANDLERS: tuple[type[urllib.request.BaseHandler], ...] = (
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
)
#: Who is reached without a proxy; the first that says something counts.
_DIRECT = ("no_proxy", "NO_PROXY")
_REMEDY = (
    "Copy the cluster's token to a file that only you can read (chmod 600) and name it in RAY_AUTH_TOKEN_PATH, or keep "
    "it in ~/.ray/auth_token."
)


@contextmanager
def directly_to(url: str) -> Iterator[None]:
    """Let this process reach the host of `url` without a proxy, whatever its environment says, for the block.

    For clients that heed ``http_proxy``. A proxy would hear the token, and on the way to a port of this machine, where
    a tunnel begins, there is none; what follows a log goes without in any case.
    """
    kept = {name: os.environ[name] for name in _DIRECT if name in os.environ}
    others = next((kept[name] for name in _DIRECT if kept.get(name)), "")
    host = urlsplit(url).hostname or ""
    os.environ.update(dict.fromkeys(_DIRECT, f"{others},{host}" if others else host))
    try:
        yield
    finally:
        for name in _DIRECT:
            os.environ.pop(name, None)
        os.environ.update(kept)


def check_guarded(url: str, token: str | None, *, allow_open: bool) -> None:
    """Check that a Jobs API answers, refuses strangers, and takes the token.

    Args:
        url: address of the Jobs API.
        token: what this machine would send; None if it has none.
        allow_open: take one that asks for no token: anybody who reaches it runs commands on the cluster.

    Raises:
        ClusterError: one of these is not so.
    """
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise ClusterError(f"the token found here must be one word of letters, digits and signs. {_REMEDY}")
    stranger = ask_dashboard(url)
    if stranger == "refused" and not token:
        file = token_file(os.environ)
        raise ClusterError(
            f"the cluster at {url} asks for a token, and there is none here: nothing in {file}. {_REMEDY}"
        )
    if _status(url, token) in {401, 403}:
        named = "RAY_AUTH_TOKEN, which goes before any file" if os.environ.get("RAY_AUTH_TOKEN") else ""
        where = named or token_file(os.environ)
        raise ClusterError(f"the cluster at {url} does not take the token found here, in {where}. {_REMEDY}")
    if stranger != "refused" and not allow_open:
        raise ClusterError(
            f"the cluster at {url} must ask for a token; it runs commands of anybody who reaches it. Start it with "
            "RAY_AUTH_MODE=token; where its network keeps everyone else out, use --allow-unauthenticated."
        )


def _status(url: str, token: str | None) -> int:
    request = urllib.request.Request(f"{url}/api/version")  # noqa: S310 (http or https, checked before)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            content = answer.read(10_000)
            status = int(answer.status)
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            return error.code
        raise _no_cluster(url, f"it answers with status {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _no_cluster(url, str(getattr(reason, "strerror", None) or reason)) from error
    if b"ray_version" not in content:
        raise _no_cluster(url, "something else answers there")
    return status


def _no_cluster(url: str, reason: str) -> ClusterError:
    proxy = f"{urlsplit(url).scheme}_proxy"
    unused = f" {proxy} is not used, since a proxy would hear the token." if os.environ.get(proxy) else ""
    return ClusterError(
        f"no Ray cluster at --address {url}: {reason}. It must be the address of the head node's dashboard (port 8265 "
        f"unless chosen otherwise); from outside, forward that port, for example with ssh -L.{unused}"
    )
