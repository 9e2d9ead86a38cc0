"""Reads an objective such as p99=20ms, and says whether a measurement shows that it is met."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scipy import special

from frbench.errors import InputError

CONFIDENCE = 0.99
UNITS_NS = {"us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
FORM = re.compile(r"p(\d{1,2}(?:\.\d+)?)=(\d+(?:\.\d+)?)(us|µs|ms|s)")


@dataclass(frozen=True)
class Objective:
    """At most `1 - q` of all requests may take longer than `limit_ns`, or have no answer."""

    q: float
    limit_ns: float
    name: str

    @classmethod
    def parse(cls, text: str) -> Objective:
        """The objective that a text such as `p99=20ms` says.

        Raises
        ------
        InputError : it says something else.
        """
        found = FORM.fullmatch(text)
        if found is None or float(found[1]) <= 0 or float(found[2]) <= 0:
            raise InputError(f"--slo is '{text}', expected a percentile and a time, such as p99=20ms or p99.9=1s")
        return cls(float(found[1]) / 100, float(found[2]) * UNITS_NS[found[3]], text)

    @property
    def least_requests(self) -> int:
        """Requests below which nothing is shown, even with none of them late: 459 for p99."""
        return math.ceil(math.log(1 - CONFIDENCE) / math.log(self.q))

    def is_met(self, late: int, n: int) -> bool:
        """Whether `late` of `n` requests show at 99% confidence that no more than `1 - q` are late.

        P(X <= late) <= 1% for X binomial(n, 1 - q).

        Source: MLPerf LoadGen, early stopping.
        """
        return n >= self.least_requests and float(special.bdtr(late, n, 1 - self.q)) <= 1 - CONFIDENCE
