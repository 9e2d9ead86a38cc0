"""Reads what a rule is about from a line of text: `fnmr[sex=female] at fmr=1e-3`, `p99[sex=male] batch 64`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from frbench.errors import InputError
from frbench.plan import Group

RATES = ("fmr", "fnmr", "fpir", "fnir")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
TIMES = (*QUANTILES, "throughput")
MEDIAN = "median"
METRICS = (*RATES, *TIMES, MEDIAN)
NUMBERED = ("rank", "batch", "load")
FORM = re.compile(r"(?P<metric>[\w.]+)(?:\[(?P<select>.+)\])?(?P<rest>.*)", re.DOTALL)
EXAMPLES = "such as 'fnmr[sex=female] at fmr=1e-3', 'fnir rank 1 at fpir=0.01' or 'p99[sex=male] batch 64'"


@dataclass(frozen=True)
class Claim:
    """A quantity that is named.

    select : what stands in brackets, "" for everybody. rank, batch, load : None where they are not said.
    at : a threshold, or the target that one was set at; "" for none.
    """

    text: str
    metric: str
    select: str = ""
    rank: int | None = None
    batch: int | None = None
    load: int | None = None
    at: str = ""

    @classmethod
    def parse(cls, text: str) -> Claim:
        """The claim that a text says.

        Raises
        ------
        InputError : it says none; the message has examples.
        """
        found = FORM.fullmatch(text.strip())
        if found is None or found["metric"] not in METRICS:
            raise InputError(f"'{text}' names no quantity, expected one of {', '.join(METRICS)}, {EXAMPLES}")
        words = found["rest"].split()
        said = dict(zip(words[::2], words[1::2], strict=False))
        if len(words) % 2 or len(said) != len(words) // 2 or not set(said) <= {*NUMBERED, "at"}:
            raise InputError(
                f"'{text}' ends in '{found['rest'].strip()}', expected rank, batch, load or at, {EXAMPLES}"
            )
        numbers = {name: _whole(text, name, said[name]) for name in NUMBERED if name in said}
        return cls(text.strip(), found["metric"], found["select"] or "", at=said.get("at", ""), **numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """Label columns of the groups, `region,sex` of `fnmr[region,sex=north,female]`; none for everybody."""
        columns = self.select.partition("=")[0]
        return tuple(column.strip() for column in columns.split(",")) if columns else ()

    @property
    def group(self) -> Group:
        """The group that is named, `fmr[sex]` none; both sides of `fmr[sex=female x male]`."""
        _, equals, names = self.select.partition("=")
        first, between, second = names.partition(" x ")
        pair = first.strip(), second.strip() if between else first.strip()
        return Group(self.columns, pair if equals else None)

    @property
    def threshold(self) -> float | None:
        """The threshold that `at` gives, None where it names a target or nothing."""
        try:
            return float(self.at)
        except ValueError:
            return None

    @property
    def tail(self) -> str:
        """What stands behind the brackets."""
        numbers = [f" {name} {getattr(self, name)}" for name in NUMBERED if getattr(self, name) is not None]
        return "".join(numbers) + (f" at {self.at}" if self.at else "")

    def of(self, select: str) -> str:
        """The text of the same claim about somebody else."""
        return f"{self.metric}[{select}]{self.tail}" if select else f"{self.metric}{self.tail}"

    def is_at(self, at: str) -> bool:
        """Whether a target of a run, such as fmr=0.001, is the one that this claim names, such as fmr=1e-3."""
        return _target(self.at) == _target(at)


def select_of(group: Group) -> str:
    """What stands in brackets for a group, "" for everybody."""
    return f"{group.title}={' x '.join(dict.fromkeys(group.pair))}" if group.pair else ""


def _whole(text: str, name: str, value: str) -> int:
    if not value.isdecimal():
        raise InputError(f"'{text}' has {name} '{value}', expected a whole number")
    return int(value)


def _target(at: str) -> tuple[str, Fraction | str]:
    metric, _, rate = at.partition("=")
    try:
        return metric, Fraction(rate)
    except ValueError:
        return metric, rate
