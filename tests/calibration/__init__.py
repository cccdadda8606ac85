"""Measure by simulation what the report's intervals and verdicts promise; run with ``make calibration``."""
