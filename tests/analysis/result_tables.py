"""Small tables of results, and ways to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import TableError, TableOptions, read_table
from analysis.record import StudyRecord

SMALL = """\
arm,test
cosine,0.90
cosine,0.92
one_cycle,0.93
one_cycle,0.95
"""
FULL = """\
arm,workload,budget,budget_unit,phase,search,draw,seed,validation,test,diverged,updates,total_updates,train_seconds,\
run_id,setting.peak_lr,setting.milestones
cosine,mnist,5,epochs,tune,0,0,7,0.88,,,160,160,1.5,t1,0.1,"[0.5, 0.75]"
cosine,mnist,5,epochs,tune,0,1,8,,,true,20,160,0.2,t2,1.0,"[0.5, 0.75]"
cosine,mnist,5,epochs,confirm,0,,11,0.89,0.90,,160,160,1.5,c1,0.1,"[0.5, 0.75]"
cosine,mnist,5,epochs,confirm,0,,13,0.91,0.92,,160,160,1.6,c2,0.1,"[0.5, 0.75]"
linear,mnist,5,epochs,tune,0,0,7,0.88,,,160,160,1.5,t3,0.2,
linear,mnist,5,epochs,tune,0,1,8,0.85,,,160,160,1.5,t4,0.4,
linear,mnist,5,epochs,confirm,0,,13,,,true,30,160,0.3,c4,0.2,
linear,mnist,5,epochs,confirm,0,,11,0.92,0.93,,160,160,1.4,c3,0.2,
"""
EVALUATIONS = """\
run_id,update,test,train_seconds
c1,160,0.90,1.5
c1,80,0.70,0.7
c3,80,0.80,0.8
c3,160,0.93,1.4
"""


def read(folder: Path, text: str, curves: str | None = None, name: str = "results.csv", **choices) -> StudyRecord:
    (folder / name).write_text(text, encoding="utf-8")
    if curves is not None:
        (folder / "curves.csv").write_text(curves, encoding="utf-8")
    options = TableOptions(**{"control": "cosine", **choices})
    return read_table(folder / name, None if curves is None else folder / "curves.csv", options=options)


def refusal(folder: Path, text: str, curves: str | None = None, **choices) -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read(folder, text, curves, **choices)
    return caught.value.problems


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
