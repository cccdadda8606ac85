"""What tests of recording share: a store, studies with a name of their own, and results to record."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.places import Places
from sweeps.protocol import Protocol
from sweeps.spec import Study
from sweeps.trial import TrialResult, job_for, run_to_end
from tests.sweeps.studies import new_name, tiny_study


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the tests of a module share, each with a study of its own: making one takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def places(home: Path) -> Places:
    return Places.from_environment({"FAIRSWEEP_HOME": str(home)})


@pytest.fixture
def study() -> Study:
    return tiny_study(study=new_name())


@pytest.fixture(scope="module")
def results() -> list[TrialResult]:
    """Return the results of six trials of the tiny study."""
    study = tiny_study()
    protocol = Protocol(study)
    trials = [protocol.next_trial() for _ in range(6)]
    return [run_to_end(job_for(study, trial)) for trial in trials if trial]
