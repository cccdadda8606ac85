"""Which code travels with a job, and what is said of its state: no cluster is needed."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sweeps.errors import InputError
from sweeps.jobs import bundle
from sweeps.jobs.bundle import STUDY_FILE, SUBMISSION_FILE, code_in, study_text, write_archive
from sweeps.jobs.checks import check_own_code
from sweeps.loading import load_study
from sweeps.provenance import git_state, machine
from tests.sweeps.studies import tiny_study


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / ".gitignore").write_text("data/\n*.log\n")
    (folder / "net.py").write_text("x = 1\n")
    (folder / "data" / "big.bin").write_bytes(b"0" * 1000)
    (folder / "run.log").write_text("no")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_code_travels_as_git_would_keep_it(repository: Path) -> None:
    (repository / "new.py").write_text("y = 2\n")
    assert set(code_in(repository).sizes) == {".gitignore", "net.py", "new.py"}


def test_code_in_submodules_travels_too(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "layers.py").write_text("z = 3\n")
    git(library, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-qm", "first")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib/layers")
    (repository / "lib" / "layers" / "new.py").write_text("y = 2\n")
    sent = {".gitignore", ".gitmodules", "net.py", "lib/layers/layers.py", "lib/layers/new.py"}
    assert set(code_in(repository).sizes) == sent
    git(repository, "submodule", "deinit", "-q", "-f", "lib/layers")
    with pytest.raises(InputError, match=r"lib/layers is not. Run: git submodule update --init"):
        code_in(repository)


def test_a_link_to_a_folder_is_refused_rather_than_left_out(repository: Path) -> None:
    (repository / "package").mkdir()
    (repository / "package" / "a.py").write_text("a = 1\n")
    (repository / "alias").symlink_to("package")
    with pytest.raises(InputError, match="alias leads to a folder"):
        code_in(repository)


def study_naming(*networks: str) -> Any:
    workload = {"name": "w", "dataset": "digits", "batch_size": 64}
    return tiny_study(workloads=[{**workload, "name": f"w{i}", "network": name} for i, name in enumerate(networks)])


def test_code_of_the_current_folder_that_does_not_travel_is_refused_with_its_place(repository: Path) -> None:
    (repository / "nets").mkdir()
    (repository / "nets" / "mine.py").write_text("raise RuntimeError('imported')\n")
    study = study_naming("mlp", "net:small", "nets.mine:large")
    with pytest.raises(InputError, match=r"--code \.") as refusal:
        check_own_code(study, repository, None)
    assert "workloads[1].network: must be code that the cluster has, or that travels; got 'net:small'" in str(
        refusal.value
    )
    assert "workloads[2].network" in str(refusal.value)
    check_own_code(study, repository, code_in(repository))
    (repository / ".gitignore").write_text("nets/\n")
    with pytest.raises(InputError, match=r"has no nets/mine\.py, or git ignores it"):
        check_own_code(study, repository, code_in(repository))


def test_code_that_is_installed_or_not_here_at_all_is_the_clusters(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_own_code(study_naming("not_here:small", "torchvision:resnet18"), repository, None)
    monkeypatch.syspath_prepend(str(repository))
    check_own_code(study_naming("net:small"), repository.parent, None)  # as if installed
    with pytest.raises(InputError, match="net:small"):
        check_own_code(study_naming("net:small"), repository, None)


def test_a_file_that_is_gone_but_not_committed_does_not_travel(repository: Path) -> None:
    (repository / "net.py").unlink()
    assert set(code_in(repository).sizes) == {".gitignore"}


def test_too_much_code_is_refused_with_the_largest_files(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BYTES", 2**20)
    (repository / "weights.bin").write_bytes(b"0" * (2 * 2**20))
    with pytest.raises(InputError, match=r"at most 1\.0 MiB; got 2\.0 MiB.*weights\.bin \(2\.0 MiB\)"):
        code_in(repository)


def test_a_link_out_of_the_folder_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (repository / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="link leads to"):
        code_in(repository)


def test_a_folder_outside_of_git_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="inside a git repository"):
        code_in(tmp_path)


def test_the_archive_holds_study_note_and_code_and_is_the_same_again(repository: Path, tmp_path: Path) -> None:
    study, code = tiny_study(), code_in(repository)
    archives = [tmp_path / name for name in ("one.zip", "two.zip")]
    for archive in archives:
        write_archive(archive, study, "{}", code)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert set(archive.namelist()) == {STUDY_FILE, SUBMISSION_FILE, ".gitignore", "net.py"}
        assert archive.read("net.py") == b"x = 1\n"


@pytest.mark.parametrize("name", ["quickstart", "digits"])
def test_a_study_that_has_travelled_is_the_same_study(name: str, tmp_path: Path) -> None:
    study = load_study(name, ["tuning.draws=5", "question=How many?"])
    path = tmp_path / "study.yaml"
    path.write_text(study_text(study), encoding="utf-8")
    assert load_study(str(path)) == study
    assert load_study(str(path)).protocol_hash() == study.protocol_hash()


def test_git_state_tells_changes_apart_that_are_not_committed(repository: Path) -> None:
    clean = git_state(repository)
    assert clean["git_dirty"] == "no"
    assert "git_diff_sha256" not in clean
    (repository / "net.py").write_text("x = 2\n")
    changed = git_state(repository)
    (repository / "new.py").write_text("y = 1\n")
    added = git_state(repository)
    (repository / "new.py").write_text("y = 2\n")
    assert len({state["git_diff_sha256"] for state in (changed, added, git_state(repository))}) == 3
    assert {state["git_commit"] for state in (clean, changed, added)} == {clean["git_commit"]}
    assert git_state(repository) == git_state(repository)


def test_the_command_is_recorded_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["fairsweep", "launch", "a b.yaml", "--tracking-uri", "http://me:hunter2@mlflow"])
    assert machine()["command"] == "fairsweep launch 'a b.yaml' --tracking-uri http://***@mlflow"
