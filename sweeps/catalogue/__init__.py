"""What the schedules and momentum policies say of themselves, and how they look: in words, as text, as a picture."""

from __future__ import annotations

from sweeps.catalogue.courses import Course, course, policy_course
from sweeps.catalogue.entries import Entry, Setting, policy_entries, schedule_entries, search_words

__all__ = [
    "Course",
    "Entry",
    "Setting",
    "course",
    "policy_course",
    "policy_entries",
    "schedule_entries",
    "search_words",
]
