"""Hypothesis: no clocks, machines differ; the same examples each time in CI, which must not cry wolf."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

NO_CLOCKS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **NO_CLOCKS)
settings.register_profile("ci", **NO_CLOCKS, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
