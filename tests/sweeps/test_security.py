"""What docs/security.md promises: secrets stay where they belong, names do no harm, and nothing shared is unpickled."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from analysis import layout
from sweeps.cli import doctor
from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.joining import refuse_open_cluster
from sweeps.cluster.probing import Answer
from sweeps.cluster.tokens import private_token
from sweeps.errors import InputError, StudyError
from sweeps.loading import load_study, validate_study
from sweeps.places import without_credentials
from sweeps.recording import recorded_studies
from tests.commands import fairsweep, start, uri, write_study
from tests.patience import PATIENCE_SECONDS
from tests.sweeps.studies import tiny_data
from tests.sweeps.test_cli import Cli

ROOT = Path(__file__).parents[2]
TOKEN = re.compile(rb"RAY_AUTH_TOKEN=([^\0]+)")


def descendants(root: int) -> Iterator[int]:
    """Yield the ids of a process and of all that it started, whichever process group they are in."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(folder.name))
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        waiting += parents.get(process, [])


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def containing(folder: Path, secret: bytes) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and secret in read(file)]


@pytest.mark.cluster
def test_the_token_of_a_launch_is_in_no_argument_no_file_and_no_output(tmp_path: Path) -> None:
    path = write_study(tmp_path, budgets={"updates": [150, 300]}, tuning={"draws": 3})
    process = start(tmp_path, "launch", str(path))
    tokens: set[bytes] = set()
    arguments, logs, folders = b"", [], set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        mine = [Path("/proc") / str(process_id) for process_id in descendants(process.pid)]
        tokens |= {found for folder in mine for found in TOKEN.findall(read(folder / "environ"))}
        arguments += b"".join(read(folder / "cmdline") for folder in mine)
        folders |= {Path(os.fsdecode(found)) for found in re.findall(rb"/[^\0 ]*/fairsweep-ray-[a-z0-9_]+", arguments)}
        for folder in folders:
            logs += [file for token in tokens for file in containing(folder, token)]
        time.sleep(1)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err

    (token,) = tokens  # one, and it was seen: else nothing would be tested
    assert len(token) == 64
    assert b"gcs_server" in arguments
    assert token not in arguments
    assert folders
    assert logs == []
    assert token.decode() not in out + err
    assert (tmp_path / "mlflow.db").stat().st_size > 0
    assert containing(tmp_path, token) == []
    assert not any(folder.exists() for folder in folders)


@pytest.mark.cluster
def test_a_file_that_holds_the_secret_would_have_been_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"\0start--secret--end")
    assert containing(tmp_path, b"secret") == [tmp_path / "deep" / "log"]


HOSTILE = [
    "../up",
    "a/b",
    "..",
    ".hidden",
    "-rf",
    "--out=x",
    "a b",
    "a;id",
    "$(id)",
    "`id`",
    "a|b",
    "a&b",
    "a\nb",
    "a\n",
    "a\0b",
    "<script>alert(1)</script>",
    "a'b",
    'a"b',
    "[red]a",
    "UPPER",
    "ünïcode",
    "a\u202eb",
    "%2e%2e",
    "~root",
    "a" * 61,
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_study_a_workload_an_arm_or_a_kind_of_gpu_is_refused(name: str) -> None:
    plain = tiny_data()
    arms = {**plain["arms"], name: {"schedule": "linear"}}
    workload = {**plain["workloads"][0], "name": name}
    changes: list[dict[str, Any]] = [{"study": name}, {"arms": arms}, {"workloads": [workload]}]
    if name not in {"UPPER", ""}:
        changes.append({"resources": {"gpu": 1, "accelerator": name}})
    for change in changes:
        with pytest.raises(StudyError):
            validate_study({**plain, **change}, "tiny.yaml")


def test_a_hostile_name_is_refused_as_an_override_and_as_the_name_of_a_file_too(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(StudyError):
        load_study(str(path), ["study=../up"])
    with pytest.raises(InputError):
        load_study("../../etc/passwd", ())


def test_an_experiment_that_poses_as_a_study_with_a_hostile_name_is_not_looked_at(tmp_path: Path) -> None:
    client = MlflowClient(uri(tmp_path))
    for name in ("good", "../../evil"):
        client.create_experiment(name, tags={layout.EXPERIMENT_STUDY: "1"})
    assert [study.name for study in recorded_studies(client)] == ["good"]
    done = fairsweep(tmp_path, "report", "../../evil")
    assert done.returncode == 2
    assert "'../../evil'" in done.stderr
    assert not (tmp_path.parent / "evil").exists()


def test_passwords_in_addresses_are_masked() -> None:
    shown = without_credentials("no answer from https://admin:hunter2@mlflow.example:5000/x, nor postgresql://u:p@db/x")
    assert shown == "no answer from https://***@mlflow.example:5000/x, nor postgresql://***@db/x"
    assert without_credentials("http://me:hunt@er2@mlflow") == "http://***@mlflow"


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for room in ("analysis", "models", "schedules", "sweeps"):
        for path in (ROOT / room).rglob("*.py"):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg or "": keyword.value for keyword in node.keywords}


def test_what_is_loaded_is_data_and_not_code() -> None:
    """The one pickle that we read is written by this process, into its own scratch folder; the one exec is empty."""
    found = []
    for path, tree in sources():
        for name, keywords in calls(tree):
            unsafe = name in {"pickle.load", "pickle.loads", "joblib.load", "yaml.load", "eval", "exec", "os.system"}
            if name == "torch.load":
                unsafe = not ("weights_only" in keywords and ast.unparse(keywords["weights_only"]) == "True")
            if name in {"np.load", "numpy.load"}:
                unsafe = "allow_pickle" in keywords
            if unsafe or ast.unparse(keywords.get("shell", ast.Constant(value=False))) != "False":
                found.append((path.relative_to(ROOT).as_posix(), name))
    assert sorted(found) == [("sweeps/cli/app.py", "exec"), ("sweeps/runner/housekeeping.py", "pickle.loads")]
    assert re.findall(r"exec\(.*?\)", (ROOT / "sweeps/cli/app.py").read_text(encoding="utf-8")) == ['exec("")']


@pytest.mark.parametrize("dashboard", ["refused", "unclear", None])
def test_a_cluster_is_used_only_where_its_head_clearly_refuses_strangers(dashboard: Answer | None) -> None:
    refuse_open_cluster("10.0.0.5:6379", "refused", dashboard)
    unsure: tuple[Answer, ...] = ("unclear", "nobody")
    for head in unsure:
        with pytest.raises(ClusterError, match=r"it is unclear whether .* 10\.0\.0\.5:6379 refuses"):
            refuse_open_cluster("10.0.0.5:6379", head, dashboard)
    with pytest.raises(ClusterError, match="answers to requests without a token"):
        refuse_open_cluster("10.0.0.5:6379", "answered", dashboard)
    with pytest.raises(ClusterError, match="answers to requests without a token"):
        refuse_open_cluster("10.0.0.5:6379", "refused", "answered")


def test_the_versions_that_doctor_asks_for_are_those_that_are_installed_at_least() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split(r"[\[>=<]", line)[0]: line for line in project["dependencies"]}
    for name, (minimum, _) in doctor.MINIMUMS.items():
        assert f">={minimum}," in required[name]


@pytest.mark.parametrize(
    ("name", "version", "ok"),
    [
        ("ray", "2.58.1", False),
        ("ray", "2.59.0", True),
        ("ray", "2.100.0", True),
        ("mlflow", "3.16.0", False),
        ("mlflow", "3.16.1", True),
        ("torch", "not installed", False),
        ("torch", "2.14.1+cpu", True),
    ],
)
def test_versions_are_compared_as_numbers(name: str, version: str, ok: bool) -> None:
    finding = doctor.version_finding(name, version)
    assert finding.ok is ok
    assert ("CVE" in finding.text) == (name in doctor.MINIMUMS)


def test_doctor_tells_who_can_read_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    environment = {"RAY_AUTH_TOKEN_PATH": str(file)}
    (missing,) = [f for f in doctor.credentials_findings(environment) if f.name == "ray token"]
    assert missing.ok is False
    file.write_text("secret", encoding="utf-8")
    for mode, ok in ((0o644, False), (0o640, False), (0o600, True), (0o400, True)):
        file.chmod(mode)
        (finding,) = [f for f in doctor.credentials_findings(environment) if f.name == "ray token"]
        assert finding.ok is ok
        assert "secret" not in finding.text
        assert ok or f"chmod 600 {file}" in finding.text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "my token"
    environment = {"RAY_AUTH_TOKEN_PATH": str(file)}
    file.write_text("secret", encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(InputError, match=rf"only you can read; got {file}, .* Run: chmod 600 '{file}'$") as refusal:
        private_token(environment)
    assert "secret" not in str(refusal.value)
    assert private_token({**environment, "RAY_AUTH_TOKEN": "another"}) == "another"  # the file is not used
    file.chmod(0o600)
    assert private_token(environment) == "secret"


def test_a_token_that_ray_wrote_for_all_to_read_is_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert private_token({}) is None
    file = tmp_path / ".ray" / "auth_token"
    file.parent.mkdir()
    file.write_text("secret\n", encoding="utf-8")
    file.chmod(0o644)
    assert private_token({}) == "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "command",
    [
        ("launch", "quickstart", "--address", "http://127.0.0.1:1"),
        ("launch", "quickstart", "--address", "127.0.0.1:1"),
        ("status", "quickstart", "--address", "http://127.0.0.1:1"),
        ("logs", "quickstart", "--address", "http://127.0.0.1:1"),
        ("stop", "quickstart", "--address", "http://127.0.0.1:1"),
    ],
)
def test_no_command_uses_a_token_that_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    file = tmp_path / "token"
    file.write_text("secret", encoding="utf-8")
    file.chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("FAIRSWEEP_HOME", str(tmp_path))
    cli = Cli(monkeypatch, capsys)
    assert cli(*command) == 2
    assert "must be in a file that only you can read" in " ".join(cli.err.split())


@pytest.mark.parametrize(("mode", "ok"), [("token", True), ("disabled", False)])
def test_doctor_tells_whether_ray_asks_for_tokens(mode: str, ok: bool) -> None:
    finding = doctor.auth_finding({"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "secret"})
    assert finding.ok is ok
    assert "secret" not in finding.text


def test_the_page_is_not_opened_to_others_without_a_password(tmp_path: Path) -> None:
    done = fairsweep(tmp_path, "ui", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "MLFLOW_AUTH_ADMIN_PASSWORD must be a password of at least 12" in " ".join(done.stderr.split())
    assert "ssh -L 5000:127.0.0.1:5000" in " ".join(done.stderr.split())


@pytest.mark.parametrize(("limit", "ok"), [(1024, None), (65536, True), (-1, True)])
def test_doctor_judges_the_limit_of_open_files(limit: int, ok: bool | None) -> None:
    assert doctor.open_files_finding(limit).ok is ok


def test_doctor_finds_a_tracking_server_that_lets_strangers_in(tmp_path: Path) -> None:
    """On another address than loopback that is a mistake; here, a remark."""
    serve = "import http.server as h\nclass A(h.BaseHTTPRequestHandler):\n def do_GET(s):\n  s.send_response(CODE)\n"
    serve += "  s.end_headers()\n def log_message(s, *a): pass\nw = h.HTTPServer(('127.0.0.1', 0), A)\n"
    serve += "print(w.server_port, flush=True)\nw.serve_forever()"
    for code, ok in ((200, None), (401, True)):
        with subprocess.Popen(
            ["python3", "-c", serve.replace("CODE", str(code))], stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout
            address = f"http://user:secret@127.0.0.1:{server.stdout.readline().strip()}"
            finding = doctor.tracking_auth_finding(address)
            server.kill()
        assert finding.ok is ok
        assert "secret" not in finding.text
