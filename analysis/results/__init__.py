"""Read a study back from MLflow; the only package here that knows it exists."""

from analysis.record import StudyRecord
from analysis.results.errors import StudyNotFoundError, StudyReadError
from analysis.results.reading import read_study

__all__ = ["StudyNotFoundError", "StudyReadError", "StudyRecord", "read_study"]
