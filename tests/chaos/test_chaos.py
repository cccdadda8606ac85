"""Whatever is killed when: after launching again, the record is that of a study that nobody disturbed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.rounds import Calm, play, play_calm
from tests.chaos.stage import Stage, staged

ROUNDS = 3  # CI plays more, see .ci/run

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


@pytest.fixture(scope="module")
def calm(stage: Stage) -> Calm:
    return play_calm(stage)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killing_what_a_study_runs_on_changes_nothing_in_its_record(stage: Stage, calm: Calm, seed: int) -> None:
    played = play(stage, calm, seed)
    assert not played.wrong, (
        f"{played}; replay it with: python -m tests.chaos --rounds 1 --seed {seed}\n{played.log_text}"
    )
