"""Reads the figures that a command prints about itself."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frbench.errors import InputError

KEY = "frbench_ab"
UNNAMED = "printed"
# Ratios of figures beyond are no numbers any more.
MOST = 1e100


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression whose named groups are metrics; one group without a name is the metric `printed`.

    Raises
    ------
    InputError : not an expression, or not such groups.
    """
    try:
        compiled = re.compile(text, re.MULTILINE)
    except re.error as error:
        raise InputError(f"--metric-regex '{text}' is no regular expression: {error}") from error
    named = len(compiled.groupindex)
    if compiled.groups == 0 or (compiled.groups != named and compiled.groups != 1):
        raise InputError(
            f"--metric-regex '{text}' has {compiled.groups} groups, {named} of them named, "
            r"expected one group, or only named ones such as p99 (?P<p99>[0-9.]+) ms"
        )
    return compiled


def metrics(text: str, patterns: Sequence[re.Pattern[str]]) -> dict[str, float]:
    """What the output `text` says of each metric: the last match of each pattern, or without patterns lines of JSON.

    A line of JSON is {"frbench_ab": {"metric": seconds}}; several lines add up to one object.

    Raises
    ------
    InputError : a pattern matches nothing, or a figure is not a number above 0.
    """
    found = _matched(text, patterns) if patterns else _announced(text)
    return {name: _number(name, value) for name, value in found}


def _matched(text: str, patterns: Sequence[re.Pattern[str]]) -> Iterator[tuple[str, Any]]:
    for compiled in patterns:
        matches = deque(compiled.finditer(text), maxlen=1)
        if not matches:
            raise InputError(f"nothing in its output matches '{compiled.pattern}'")
        yield from matches[0].groupdict().items() if compiled.groupindex else [(UNNAMED, matches[0].group(1))]


def _announced(text: str) -> Iterator[tuple[str, Any]]:
    for line in text.splitlines():
        if not (line.lstrip().startswith("{") and KEY in line):
            continue
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if KEY not in values:
            continue
        if not isinstance(values[KEY], Mapping) or not values[KEY]:
            raise InputError(f'"{KEY}" is {json.dumps(values[KEY])}, expected an object such as {{"p99": 0.012}}')
        yield from values[KEY].items()


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 1 / MOST <= number <= MOST:
        raise InputError(f"its metric {name} is {value!r}, expected a number above 0 that grows with the time taken")
    return number
