"""Decoded data sets in files: made once, shared by all processes, and never read half written."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue as Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from models.data import DataError, Examples
from models.data.cache import cache_folder, checksum, kept
from models.data.prepared import prepare
from models.workload import Workload

IDENTITY = {"dataset": "test"}

#: Forked, since each process that imports torch anew takes seconds.
FORK = multiprocessing.get_context("fork")


def numbers() -> Examples:
    return Examples(torch.arange(60_000, dtype=torch.uint8).view(100, 600), torch.arange(100))


def refuse() -> Examples:
    raise AssertionError("loaded again")


def found(label: str, identity: dict[str, Any], load: Callable[[], Examples]) -> Examples:
    examples = kept(label, identity, load).content
    assert isinstance(examples, Examples)
    return examples


def load_slowly(log: Path, seconds: float, seen: Queue[str] | None = None) -> None:
    def load() -> Examples:
        with log.open("a") as file:
            file.write("loaded\n")
        time.sleep(seconds)
        return numbers()

    examples = found("test", IDENTITY, load)
    if seen:
        seen.put(checksum(examples))


def only_folder() -> Path:
    (folder,) = [path for path in cache_folder().iterdir() if path.is_dir()]
    return folder


def test_what_was_kept_comes_back_without_loading_again() -> None:
    first, again = found("test", IDENTITY, numbers), found("test", IDENTITY, refuse)
    assert [torch.equal(*pair) for pair in zip(first, again, strict=True)] == [True, True]
    assert (again.x.dtype, again.x.shape, again.y.dtype) == (torch.uint8, (100, 600), torch.int64)


def test_another_identity_is_another_data_set() -> None:
    kept("test", IDENTITY, numbers)
    other = found("test", {"dataset": "other"}, lambda: Examples(torch.zeros(2, 3), torch.tensor([1, 0])))
    assert (other.x.dtype, other.x.shape, other.y.tolist()) == (torch.float32, (2, 3), [1, 0])


def test_a_data_set_can_be_made_of_another_one_of_the_same_module() -> None:
    """Each has a lock of its own, though their names differ behind a dot only."""
    made = Thread(
        target=kept, args=("own.made", {"dataset": "made"}, lambda: found("own.raw", IDENTITY, numbers)), daemon=True
    )
    made.start()
    made.join(timeout=20)
    assert not made.is_alive()
    assert torch.equal(found("own.made", {"dataset": "made"}, refuse).x, numbers().x)


def test_what_a_process_writes_into_its_examples_stays_its_own() -> None:
    first = found("test", IDENTITY, numbers)
    first.x.fill_(7)
    assert torch.equal(found("test", IDENTITY, refuse).x, numbers().x)


def test_ten_processes_at_once_load_once_and_get_the_same(tmp_path: Path) -> None:
    seen: Queue[str] = FORK.SimpleQueue()
    processes = [FORK.Process(target=load_slowly, args=(tmp_path / "log", 0.3, seen)) for _ in range(10)]
    for process in processes:
        process.start()
    assert [seen.get() for _ in processes] == [checksum(numbers())] * 10
    for process in processes:
        process.join()
    assert (tmp_path / "log").read_text() == "loaded\n"


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    victim = FORK.Process(target=load_slowly, args=(tmp_path / "log", 60))
    victim.start()
    while not (tmp_path / "log").exists():
        time.sleep(0.01)
    (cache_folder() / f".{next(cache_folder().glob('*.lock')).stem}.half").mkdir()
    victim.kill()
    victim.join()
    assert torch.equal(found("test", IDENTITY, numbers).x, numbers().x)
    assert not list(cache_folder().glob(".test-*"))


@pytest.mark.parametrize("damage", ["shorten", "change", "header"])
def test_a_damaged_file_is_made_again(damage: str) -> None:
    kept("test", IDENTITY, numbers)
    path = only_folder() / ("header.json" if damage == "header" else "x")
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content[:100] if damage == "shorten" else content)
    assert torch.equal(found("test", IDENTITY, numbers).x, numbers().x)
    kept("test", IDENTITY, refuse)


def test_an_error_while_loading_keeps_nothing() -> None:
    def fail() -> Examples:
        raise DataError("no such folder")

    with pytest.raises(DataError, match="no such folder"):
        kept("test", IDENTITY, fail)
    assert not [path for path in cache_folder().iterdir() if path.is_dir()]
    assert torch.equal(found("test", IDENTITY, numbers).x, numbers().x)


def test_a_folder_that_cannot_be_written_to_is_reported_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRSWEEP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        DataError, match=r"FAIRSWEEP_CACHE must be a folder that can be written to.*; got '.*file/cache'"
    ):
        kept("test", IDENTITY, numbers)


def test_the_cache_is_in_the_users_cache_folder_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == Path(os.environ["FAIRSWEEP_CACHE"])
    monkeypatch.delenv("FAIRSWEEP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "fairsweep"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "fairsweep"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_processes_share_the_memory_of_one_data_set() -> None:
    """Each holds the pages of the file, and the kernel halves what is shared: `Pss` is the proportional size."""

    def touch(ready: Queue[int], go: Barrier, sizes: Queue[tuple[int, int, int]]) -> None:
        examples = found("large", {"dataset": "large"}, lambda: Examples(torch.ones(2**25, dtype=torch.uint8), ones))
        ready.put(int(examples.x.sum()))
        go.wait()
        sizes.put(mapped_kilobytes("/large-"))
        go.wait()

    ones = torch.ones(2, dtype=torch.int64)
    ready, sizes, go = FORK.SimpleQueue(), FORK.SimpleQueue(), FORK.Barrier(2)
    processes = [FORK.Process(target=touch, args=(ready, go, sizes)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [ready.get(), ready.get()] == [2**25] * 2
    for resident, proportional, changed in (sizes.get(), sizes.get()):
        assert resident >= 2**15
        assert proportional <= 0.55 * resident
        assert changed == 0
    for process in processes:
        process.join()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_process_that_uses_what_is_kept_never_holds_a_copy_of_it(kind: str) -> None:
    """Not even while it checks, hashes, splits and measures 64 MiB of images."""
    count = 2**26 // (3 * 64 * 64 * getattr(torch, kind).itemsize)
    settings = {"kind": kind, "version": "1", "count": count, "side": 64}
    workload = Workload(name="w", dataset="tests.models.images:noise", dataset_settings=settings, network="mlp")
    prepare(workload.model_copy(update={"split_seed": 1}), torch.device("cpu"))
    pipe, end = FORK.Pipe()

    def use() -> None:
        end.send("begins")
        prepare(workload, torch.device("cpu"))
        end.send("ends")

    process = FORK.Process(target=use)
    process.start()
    assert pipe.recv() == "begins"
    before = peak = private_kilobytes(process.pid)
    while not pipe.poll(0.001):
        peak = max(peak, private_kilobytes(process.pid))
    assert pipe.recv() == "ends"
    process.join()
    assert peak - before < 2**14


def private_kilobytes(process: int | None) -> int:
    """Return the memory of a process that is no file's; 0 when it has ended."""
    found = re.search(r"RssAnon:\s+([0-9]+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) if found else 0


def mapped_kilobytes(name: str) -> tuple[int, int, int]:
    """Return resident, proportional and changed memory of the inputs' mapping in this process."""
    mappings = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    (mapping,) = [text for text in mappings if name in text and text.partition("\n")[0].endswith("/x")]
    resident, proportional, changed = (
        int(re.search(rf"\n{field}: +([0-9]+) kB", mapping)[1])  # type: ignore[index]
        for field in ("Rss", "Pss", "Private_Dirty")
    )
    return resident, proportional, changed
