from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.errors import InputError
from sweeps.recording.spool import Spool, SpoolError, exclusive


def test_records_come_back_in_the_order_they_were_put(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for key in ("b/1", "a/2", "c/3"):
        spool.put({"trial_key": key})
    assert [record["trial_key"] for record in spool.pending()] == ["b/1", "a/2", "c/3"]


def test_records_survive_the_process_and_new_ones_come_after_them(tmp_path: Path) -> None:
    Spool(tmp_path).put({"trial_key": "first", "value": 0.1 + 0.2})
    later = Spool(tmp_path)
    later.put({"trial_key": "second"})
    assert [record["trial_key"] for record in later.pending()] == ["first", "second"]
    assert next(later.pending())["value"] == 0.1 + 0.2


def test_a_half_written_record_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "00000000-x.tmp").write_text('{"trial_key": "to')
    spool = Spool(tmp_path)
    assert len(spool) == 0
    assert not list(tmp_path.glob("*.tmp"))


def test_a_record_that_was_written_and_not_yet_named_when_the_machine_went_down_is_kept(tmp_path: Path) -> None:
    path = Spool(tmp_path).put({"trial_key": "whole"})
    path.rename(path.with_suffix(".tmp"))
    later = Spool(tmp_path)
    assert [record["trial_key"] for record in later.pending()] == ["whole"]
    assert later.put({"trial_key": "next"}).name > path.name


def test_a_value_that_json_cannot_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(ValueError, match="Out of range float"):
        spool.put({"trial_key": "x", "value": float("inf")})
    assert len(spool) == 0


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    spool = Spool(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpoolError, match=r"No space left on device\. Free some space and launch again"):
        spool.put({"trial_key": "x"})
    assert len(spool) == 0
    assert not list(tmp_path.glob("*.tmp"))


#: Fills a disk of 8 MB with records, and says what became of them.
FILL = """
import sys, pathlib
from sweeps.recording.spool import Spool, SpoolError
folder = pathlib.Path(sys.argv[1])
spool, put, warned_after = Spool(folder), 0, None
try:
    while put < 1000:
        spool.put({"trial_key": f"t/{put}", "filler": "x" * 50_000})
        put += 1
        if spool.is_full and warned_after is None:
            warned_after = put
except SpoolError as error:
    assert "No space left" in str(error), error
assert warned_after is not None, "the reserve was never used"
assert put - warned_after > 32, (put, warned_after)  # results of that many trials in flight are kept
assert [r["trial_key"] for r in Spool.pending(spool)] == [f"t/{i}" for i in range(put)]
assert not list(folder.glob("*.tmp"))
print("kept", put)
"""


def test_a_disk_that_runs_full_still_takes_the_results_of_what_has_started(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=8m tmpfs {tmp_path} && exec {sys.executable} -c '{FILL}' {tmp_path}/spool"
    try:
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no disk of its own can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


def test_a_spool_on_a_full_disk_is_refused_before_anything_runs(tmp_path: Path) -> None:
    make = "import sys, pathlib; from sweeps.recording.spool import Spool; Spool(pathlib.Path(sys.argv[1]))"
    limited = f"ulimit -f 1000; exec {sys.executable} -c '{make}' {tmp_path}/spool"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, timeout=60, check=False)
    assert "SpoolError" in done.stderr
    assert "with 4 MB free; File too large" in done.stderr


def test_a_record_that_the_disk_has_damaged_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    damaged = spool.put({"trial_key": "a"})
    spool.put({"trial_key": "b"})
    damaged.write_bytes(b"\x00\x00")
    later = Spool(tmp_path)
    assert [record["trial_key"] for record in later.pending()] == ["b"]
    assert len(later) == 1
    assert damaged.with_suffix(".unreadable").exists()


def test_a_study_is_launched_by_one_process_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path, "s"), pytest.raises(InputError, match=f"launched by process {os.getpid()} here"):  # noqa: SIM117
        with exclusive(tmp_path, "s"):
            pass
    with exclusive(tmp_path, "s"):  # and the lock is given back
        pass
