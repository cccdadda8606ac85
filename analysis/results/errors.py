"""Errors of reading a study back."""

from __future__ import annotations


class StudyReadError(RuntimeError):
    """The tracking store cannot be read, or what it holds is not a study."""


class StudyNotFoundError(StudyReadError):
    """The tracking store holds no study of that name."""
