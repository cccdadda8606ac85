"""What a launch does while MLflow is away: a real server behind a proxy that can be made to fail in every way."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event

from analysis import layout
from sweeps.access import Access
from sweeps.places import Places
from sweeps.recording import Recorder, TrackerError, connect, find_study, trial_runs
from sweeps.recording import recorder as recorder_module
from sweeps.server import serve
from sweeps.spec import Study
from sweeps.trial import TrialResult
from tests.sweeps.studies import opened_recorder

pytestmark = pytest.mark.slow

Mode = Literal["fine", "closed", "broken", "forbidden", "mute", "slow", "hanging"]


@dataclass
class Proxy:
    """Stands between a launch and MLflow.

    Args:
        target: address of the real server.
        mode: how it fails: closes the connection, answers with 500 or 401, does what was asked for but never says so
            (mute), answers late (slow), or not at all (hanging).
    """

    target: str
    mode: Mode = "fine"
    requests: Counter[str] = field(default_factory=Counter)
    delay_seconds: float = 3.0
    url: str = ""


def handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            mode = proxy.mode
            proxy.requests[mode] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if mode == "closed":
                self.close_connection = True
            elif mode in {"broken", "forbidden"}:
                self.answer(500 if mode == "broken" else 401, b"no", {})
            elif mode == "hanging":
                time.sleep(30)
                self.close_connection = True
            else:
                self.forward(body, mode)

        def forward(self, body: bytes, mode: Mode) -> None:
            there = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
            there.request(self.command, self.path, body, headers)
            answer = there.getresponse()
            content = answer.read()
            if mode == "mute":
                self.close_connection = True
                return
            if mode == "slow":
                time.sleep(proxy.delay_seconds)
            kept = {k: v for k, v in answer.getheaders() if k.lower() == "content-type"}
            self.answer(answer.status, content, kept)

        def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                self.close_connection = True  # nobody waits for it any more

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            pass

    return Handler


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("server")
    places = Places.from_environment({"FAIRSWEEP_HOME": str(home)})
    connect(places)
    with serve(places.tracking_uri, log_path=home / "server.log", access=Access(port=0)) as running:
        yield running.own_url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    made = Proxy(server)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    listening.daemon_threads = True
    made.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield made
    listening.shutdown()
    listening.server_close()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def places_of(proxy: Proxy, folder: Path) -> Places:
    return Places.from_environment({"FAIRSWEEP_HOME": str(folder), "MLFLOW_TRACKING_URI": proxy.url})


def statuses(study: Study, places: Places) -> Counter[tuple[str, str]]:
    client = connect(places)
    runs = trial_runs(client, find_study(client, study.study).experiment_id)
    return Counter((run.tags[layout.TRIAL_KEY], run.status) for run in runs)


def wait_for_trouble(writer: Recorder) -> str:
    deadline = time.monotonic() + 20
    while not writer.trouble:
        assert time.monotonic() < deadline, "no trouble was noticed"
        time.sleep(0.02)
    return writer.trouble


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("closed", "the connection broke"),
        ("broken", "it answers with error 500"),
        ("forbidden", "it refuses the user or password"),
        ("mute", "the connection broke"),
        ("slow", "no answer in time"),
    ],
)
def test_results_wait_while_mlflow_fails_and_each_is_recorded_once_when_it_works_again(
    proxy: Proxy, study: Study, tmp_path: Path, results: list[TrialResult], mode: Mode, said: str
) -> None:
    places = places_of(proxy, tmp_path)
    writer = opened_recorder(study, places)
    writer.put(results[0])
    assert writer.flush(20)
    proxy.mode = mode
    for result in results[1:]:
        started = time.perf_counter()
        writer.put(result)
        assert time.perf_counter() - started < 0.5  # training goes on
    trouble = wait_for_trouble(writer)
    assert said in trouble
    assert "\n" not in trouble
    assert len(trouble) < 200
    time.sleep(1.5)
    assert writer.waiting >= 1
    proxy.mode = "fine"
    assert writer.flush(40)
    writer.close(done=True)
    assert writer.trouble == ""
    assert statuses(study, places) == Counter((result.trial.key, "FINISHED") for result in results)


def test_a_server_that_takes_its_time_with_every_answer_gets_everything(
    proxy: Proxy, study: Study, tmp_path: Path, results: list[TrialResult]
) -> None:
    places = places_of(proxy, tmp_path)
    writer = opened_recorder(study, places)
    proxy.mode, proxy.delay_seconds = "slow", 0.7
    started = time.monotonic()
    for result in results:
        writer.put(result)
    assert writer.flush(40)
    assert time.monotonic() - started < 6 * 3 * 0.7  # several at a time
    proxy.mode = "fine"
    writer.close(done=True)
    assert statuses(study, places) == Counter((result.trial.key, "FINISHED") for result in results)


def test_a_server_that_never_answers_holds_up_the_end_of_a_launch_for_seconds_only(
    proxy: Proxy, study: Study, tmp_path: Path, results: list[TrialResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "45")
    monkeypatch.setattr(recorder_module, "_STOP_SECONDS", 1.0)
    places = places_of(proxy, tmp_path)
    writer = opened_recorder(study, places)
    proxy.mode = "hanging"
    for result in results:
        writer.put(result)
    started = time.monotonic()
    assert not writer.flush(patience_seconds=1.0)
    writer.close(done=True)
    assert time.monotonic() - started < 5
    assert writer.waiting == len(results)

    proxy.mode = "fine"  # the next launch delivers first, on another machine or later
    client = connect(places)
    client.set_tag(writer.study_run_id, layout.LEASE, _let_go(client.get_run(writer.study_run_id).data.tags))
    later = opened_recorder(study, places)
    assert {outcome.key for outcome in later.outcomes()} == {result.trial.key for result in results}
    assert later.flush(40)
    later.close(done=True)
    assert {status for _, status in statuses(study, places)} == {"FINISHED"}
    assert statuses(study, places).total() == len(results)


def _let_go(tags: dict[str, str]) -> str:
    """Return the claim on record as if its process had ended: it is this one, which goes on."""
    return json.dumps({**json.loads(tags[layout.LEASE]), "expires": 0})


@pytest.mark.parametrize("mode", ["closed", "broken", "forbidden"])
def test_a_launch_does_not_begin_while_mlflow_fails_because_what_is_done_stands_there(
    proxy: Proxy, study: Study, tmp_path: Path, mode: Mode
) -> None:
    proxy.mode = mode
    with pytest.raises(TrackerError, match=r"MLflow at http://127.0.0.1:\d+ does not answer as it should: "):
        opened_recorder(study, places_of(proxy, tmp_path))


@pytest.mark.parametrize(
    ("pragma", "back", "said"),
    [
        ("query_only = ON", "query_only = OFF", "its database cannot be written"),
        ("max_page_count = 1", "max_page_count = 4294967294", "its disk is full"),
    ],
)
def test_a_database_that_cannot_be_written_is_filled_when_it_can_be_again(
    study: Study, tmp_path: Path, results: list[TrialResult], pragma: str, back: str, said: str
) -> None:
    places = Places.from_environment({"FAIRSWEEP_HOME": str(tmp_path)})
    writer = opened_recorder(study, places)
    setting = [pragma]

    def configure(connection: object, *_: object) -> None:
        connection.execute(f"PRAGMA {setting[0]}")  # type: ignore[attr-defined]

    engine = writer._client._tracking_client.store.engine
    event.listen(engine, "checkout", configure)
    for result in results * 3:
        writer.put(result)
    assert said in wait_for_trouble(writer)
    setting[0] = back
    assert writer.flush(40)
    writer.close(done=True)
    assert statuses(study, places) == Counter((result.trial.key, "FINISHED") for result in results)
