"""To whom the token of a cluster is shown: no cluster is needed, only what answers like one."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sweeps.cluster.addresses import ClusterError
from sweeps.jobs.client import Jobs
from sweeps.jobs.guard import check_guarded
from tests.answering import Answer, answering


@contextmanager
def server(token: str | None, *, ray: bool = True) -> Iterator[str]:
    """A server that answers like Ray's dashboard, behind a token or open."""

    def dashboard(path: str, given: str | None) -> Answer:
        status = 200 if token is None or given == f"Bearer {token}" else 403 if given else 401
        found = b"[]" if "jobs" in path else b'{"version": "4", "ray_version": "2.60.0"}'
        return Answer(status, found if ray and status == 200 else b"hello")

    with answering(dashboard) as url:
        yield url


def test_a_cluster_that_asks_for_our_token_is_taken() -> None:
    with server("right") as url:
        check_guarded(url, "right", allow_open=False)


def test_a_missing_and_a_wrong_token_are_told_apart_and_not_repeated() -> None:
    with server("right") as url:
        with pytest.raises(ClusterError, match=r"a token, and there is none here: nothing in .*RAY_AUTH_TOKEN_PATH"):
            check_guarded(url, None, allow_open=True)
        with pytest.raises(ClusterError, match="does not take the token") as refusal:
            check_guarded(url, "wrong-one", allow_open=True)
    assert "wrong-one" not in str(refusal.value)


def test_a_token_that_is_not_taken_is_said_to_be_where_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/nowhere/token")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    with server("right") as url:
        with pytest.raises(ClusterError, match="found here, in /nowhere/token"):
            check_guarded(url, "wrong", allow_open=False)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
        with pytest.raises(ClusterError, match="found here, in RAY_AUTH_TOKEN, which goes before any file"):
            check_guarded(url, "wrong", allow_open=False)


def test_a_port_where_no_http_is_spoken_is_no_cluster() -> None:
    """As that of a Ray head, which is easily taken for its dashboard's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(1000)
                    caller.sendall(b"\0\0\x18\4\0\0\0\0\0")

        threading.Thread(target=speak, daemon=True).start()
        with pytest.raises(ClusterError, match="It must be the address of the head node's dashboard"):
            check_guarded(f"http://127.0.0.1:{listening.getsockname()[1]}", "right", allow_open=False)
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("token", [None, "right"])
def test_a_cluster_open_to_everybody_is_refused_unless_that_is_meant(token: str | None) -> None:
    with server(None) as url:
        with pytest.raises(ClusterError, match="must ask for a token"):
            check_guarded(url, token, allow_open=False)
        check_guarded(url, token, allow_open=True)


def test_a_dead_address_and_a_server_of_another_kind_are_no_cluster() -> None:
    with pytest.raises(ClusterError, match="Connection refused"):
        check_guarded("http://127.0.0.1:1", None, allow_open=False)
    with server(None, ray=False) as url, pytest.raises(ClusterError, match="something else answers"):
        check_guarded(url, None, allow_open=True)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "\x00secret", "schlüssel"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated(token: str) -> None:
    with server("right") as url, pytest.raises(ClusterError, match="must be one word") as refusal:
        check_guarded(url, token, allow_open=False)
    assert token not in str(refusal.value)


def test_a_token_is_not_handed_to_where_a_cluster_redirects() -> None:
    heard: list[str | None] = []

    def elsewhere(path: str, given: str | None) -> Answer:
        heard.append(given)
        return Answer(302 if "jobs" in path or "version" in path else 200, headers={"Location": "/elsewhere"})

    with answering(elsewhere) as url, pytest.raises(ClusterError, match="answers with status 302"):
        check_guarded(url, "right", allow_open=False)
    assert heard.count("Bearer right") == 1


def test_no_proxy_hears_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither from the first requests nor from Ray's own client, which heeds the environment."""
    heard: list[str | None] = []

    def proxy(_: str, given: str | None) -> Answer:
        heard.append(given)
        return Answer(502)

    with answering(proxy) as proxy_url, server("right") as url:
        monkeypatch.setenv("http_proxy", proxy_url)
        monkeypatch.setenv("no_proxy", "elsewhere.example.com")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
        assert Jobs(url, allow_open=False).all() == []
        with pytest.raises(ClusterError, match=r"http_proxy is not used, since a proxy would hear the token\.$"):
            check_guarded("http://127.0.0.1:1", "right", allow_open=False)
    assert heard == []
    assert (os.environ["no_proxy"], os.environ.get("NO_PROXY")) == ("elsewhere.example.com", None)
