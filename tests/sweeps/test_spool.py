from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweeps.errors import InputError
from sweeps.recording.spool import Spool, SpoolError, exclusive


def test_records_come_back_in_the_order_they_were_put(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for key in ("b/1", "a/2", "c/3"):
        spool.put({"trial_key": key})
    assert [record["trial_key"] for _, record in spool.pending()] == ["b/1", "a/2", "c/3"]


def test_records_survive_the_process_and_new_ones_come_after_them(tmp_path: Path) -> None:
    Spool(tmp_path).put({"trial_key": "first", "value": 0.1 + 0.2})
    later = Spool(tmp_path)
    later.put({"trial_key": "second"})
    assert [record["trial_key"] for _, record in later.pending()] == ["first", "second"]
    assert next(later.pending())[1]["value"] == 0.1 + 0.2


def test_a_half_written_record_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "00000000-x.tmp").write_text('{"trial_key": "to')
    spool = Spool(tmp_path)
    assert len(spool) == 0
    assert not list(tmp_path.glob("*.tmp"))


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


def test_a_study_is_launched_by_one_process_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path, "s"), pytest.raises(InputError, match="launched by another process"):  # noqa: SIM117
        with exclusive(tmp_path, "s"):
            pass
    with exclusive(tmp_path, "s"):  # and the lock is given back
        pass
