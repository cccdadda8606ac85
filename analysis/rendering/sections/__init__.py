"""Put a report in order: one module per topic says what is shown, this one says where."""

from __future__ import annotations

from dataclasses import replace

from analysis.figures.selection import omission
from analysis.rendering.section import Section
from analysis.rendering.sections import across, core, final, speedups, threats, tuning
from analysis.rendering.sections.time_to_target import time_to_target, time_to_target_details
from analysis.tables.contents import Report
from analysis.whereabouts import joined


def report_sections(report: Report) -> tuple[Section, ...]:
    """Return the parts of a report below its first screen, the most telling first."""
    sections = (
        core.accuracy(report),
        core.remarks(report),
        core.published_gaps(report),
        speedups.speed_up(report),
        speedups.baseline(report),
        core.learning_curves(),
        time_to_target(report),
        time_to_target_details(report),
        core.every_seed(report),
        final.effect_sizes(report),
        final.power(report),
        tuning.tuning(report),
        tuning.search_variance(report),
        core.winners(report),
        across.across_workloads(report),
        threats.threats(report),
        threats.sequences(report),
        core.ledger(report),
        core.rules(report),
        core.guide(report),
        core.provenance(report),
    )
    return tuple(_with_omission(report, section) for section in sections)


def _with_omission(report: Report, section: Section) -> Section:
    left_out = omission(report, section.figures)
    return replace(section, note=joined(section.note, left_out)) if left_out else section
