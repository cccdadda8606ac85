"""The Ray cluster that trials run on: where it is, joining or starting it, and what it can hold."""

from __future__ import annotations

import os

# Read by Ray when it is imported, by whichever module of this package comes first, or when it starts.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
