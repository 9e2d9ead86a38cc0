"""Writes latencies of each group as files that plotters of HdrHistogram read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from frbench import _rust
from frbench.counting.load.measure import Measured
from frbench.plan import OVERALL

SUFFIX = ".hgrm"
# Labels may hold anything, names of files may not.
UNSAFE = re.compile(r"[^\w=,+-]")


def histogram_files(measured: Measured, groupings: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Name and text of a file for everybody and for each group, of every load: latency.sex=female.hgrm.

    Of several loads the number stands behind the group, from 0 on. Requests without an answer are counted in a comment.
    """
    plan = measured.tally.plan
    n_loads = len(plan.details["loads"])
    files = {}
    for load in range(n_loads):
        samples = [s for s in measured.samples if s.load == load]
        group = np.concatenate([s.group for s in samples])
        latency = np.concatenate([s.latency_ns for s in samples])
        for grouping in dict.fromkeys([(), *groupings]):
            names = np.array(plan.group_names(grouping))
            for name in sorted(set(names.tolist())):
                own = latency[names[group] == name]
                answered = own[own >= 0]
                text = _rust.percentile_text(answered.astype(np.uint64), len(own) - len(answered))
                files[_name(grouping, name, load if n_loads > 1 else None)] = text
    return files


def _name(grouping: Sequence[str], name: str, load: int | None) -> str:
    label = f"{','.join(grouping)}={name}" if grouping else OVERALL
    number = "" if load is None else f".{load}"
    return f"latency.{UNSAFE.sub('_', label)}{number}{SUFFIX}"
