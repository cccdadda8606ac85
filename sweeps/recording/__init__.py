"""Record studies in MLflow, and read back how far they are. The only package of this room that knows MLflow."""

from sweeps.recording.recorder import Recorder, record_report, views_of
from sweeps.recording.store import (
    connect,
    find_study,
    recorded_file,
    recorded_outcomes,
    recorded_studies,
    recorded_study,
    refuse_other_rules,
    study_run,
    trial_runs,
)
from sweeps.recording.trouble import TrackerError

__all__ = [
    "Recorder",
    "TrackerError",
    "connect",
    "find_study",
    "record_report",
    "recorded_file",
    "recorded_outcomes",
    "recorded_studies",
    "recorded_study",
    "refuse_other_rules",
    "study_run",
    "trial_runs",
    "views_of",
]
