"""Rules of the settings that several schedules share: a name that is listed here means the same wherever it is used."""

from __future__ import annotations

from schedules.checks import Number, Whole

WARMUP_FRAC = Number(0, 1, "[)", "Give the part of the run in which the rate rises, such as 0.3.")
HALF_WARMUP_FRAC = Number(0, 0.5, "[]", "The way down takes as long as the way up, so at most half is left for it.")
INITIAL_DIV = Number(1, remedy="Give peak rate / initial rate, such as 25.")
FINAL_DIV = Number(1, remedy="Give initial rate / final rate, such as 1000.")
FINAL_FACTOR = Number(0, 1, remedy="Give the part of the peak rate that is left at the end, such as 0.01.")
CYCLES = Whole(1, "Give how often the rate comes up to a peak, such as 4.", high=10_000)
DROP_FACTOR = Number(0, 1, "(]", "Give what the rate is multiplied by at a milestone, such as 0.1.")
TIMESCALE_FRAC = Number(0, brackets="()", remedy="Give the part of the run that counts as 1, such as 0.1.")
