"""Fetching data sets over the network, which is away in all tests."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest

from models.data import DataError, download


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every request, and return the list of them."""
    requests: list[object] = []

    def refused(request: object, *_: object, **__: object) -> None:
        requests.append(request)
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refused)
    return requests


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_a_dead_network_is_said_in_a_sentence_with_what_to_do(name: str, tmp_path: Path, asked: list[object]) -> None:
    with pytest.raises(DataError, match=rf"(?s){name} could not be fetched into .*no route to host.*try again"):
        download(name, tmp_path / "made")
    assert (tmp_path / "made").is_dir()
    assert asked


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"could not be fetched into .*file/data: .*Not a directory"):
        download("mnist", tmp_path / "file" / "data")


def test_files_that_are_there_are_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[object]
) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST._check_exists", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.MNIST._load_data", lambda _: ([], []))
    download("mnist", tmp_path)
    assert not asked


def test_only_data_sets_with_files_can_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dataset must be one whose files can be fetched; got 'digits'\."):
        download("digits", tmp_path)
