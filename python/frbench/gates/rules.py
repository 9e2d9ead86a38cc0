"""Reads and checks a TOML file of rules, before anything is counted.

[gate]                      # may be left out
doubt = "fail"              # what an inconclusive row does: fail, warn or pass
false_failures = 0.01       # probability that any row fails while every quantity is within its bounds

[[rule]]
claim = "fnmr[sex=female] at fmr=1e-3"
upper = 0.02

[[rule]]
change = "fnmr[sex] at fmr=1e-3"
group = "each"
upper = "10%"
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from frbench.errors import InputError
from frbench.gates.bounds import KINDS, Bounds, Kind
from frbench.gates.claims import MEDIAN, RATES, Claim

Doubt = Literal["fail", "warn", "pass"]
Whose = Literal["each", "worst"]
DOUBTS: tuple[Doubt, ...] = get_args(Doubt)
FALSE_FAILURES = 0.01
KEYS = (*KINDS, "group", "reference", "lower", "upper", "doubt")
DEFAULT_SLOWDOWN = 0.05


@dataclass(frozen=True)
class Rule:
    """One rule.

    number : from 1, as it stands in its file; 0 for a claim that stands alone. kind : the quantity itself, its ratio to
    that of a reference group, or its change against the baseline. whose : the rule holds for each group, or for the
    one with the highest value. reference : group that ratios are taken to; "" for the one with most subjects.
    """

    number: int
    kind: Kind
    claim: Claim
    bounds: Bounds
    doubt: Doubt
    whose: Whose | None = None
    reference: str = ""

    def refused(self, why: str) -> InputError:
        """The error that this rule cannot be answered."""
        where = f"rule {self.number} ({self.kind} = '{self.claim.text}')" if self.number else f"'{self.claim.text}'"
        return InputError(f"{where}: {why}")


@dataclass(frozen=True)
class Rules:
    """All rules of a gate.

    name : the file they come from. false_failures : probability that any row fails while every quantity is within its
    bounds.
    """

    name: str
    rules: tuple[Rule, ...]
    false_failures: float = FALSE_FAILURES

    @classmethod
    def read(cls, path: Path, *, doubt: Doubt | None = None) -> Rules:
        """The rules in a TOML file; `doubt` replaces what the file says of it.

        Raises
        ------
        InputError : missing, not TOML, or not rules; the message names the rule and what is possible.
        """
        try:
            said = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a file of rules: {error}") from error
        try:
            return cls.parse(said, name=str(path), doubt=doubt)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, said: Mapping[str, Any], *, name: str, doubt: Doubt | None = None) -> Rules:
        """The rules that a TOML document says."""
        _refuse_unknown("the file", said, ("gate", "rule"))
        head, tables = said.get("gate", {}), said.get("rule", [])
        if not isinstance(head, dict) or not isinstance(tables, list) or not tables:
            raise InputError("there is no [[rule]], expected at least one with claim, ratio or change and a bound")
        _refuse_unknown("[gate]", head, ("doubt", "false_failures"))
        usual = _doubt(head.get("doubt", "fail"))
        rules = []
        for number, table in enumerate(tables, start=1):
            try:
                rules.append(_rule(number, table, usual, doubt))
            except InputError as error:
                raise InputError(f"rule {number}: {error}") from error
        return cls(name, tuple(rules), _share(head.get("false_failures", FALSE_FAILURES)))

    @property
    def are_paired(self) -> bool:
        """Whether a rule needs a baseline."""
        return any(rule.kind == "change" for rule in self.rules)


def default_for_times(
    doubt: Doubt | None = None, *, max_slowdown: float = DEFAULT_SLOWDOWN, false_failures: float = FALSE_FAILURES
) -> Rules:
    """The rules of a comparison of times without a file: no median may rise by more than this."""
    upper = f"{100 * max_slowdown:+.10g}%"
    said = {"gate": {"false_failures": false_failures}, "rule": [{"change": MEDIAN, "group": "each", "upper": upper}]}
    return Rules.parse(said, name=f"no median above {upper}", doubt=doubt)


def _rule(number: int, said: Any, usual: Doubt, forced: Doubt | None) -> Rule:
    if not isinstance(said, dict):
        raise InputError(f"it is {said!r}, expected a table of keys")
    _refuse_unknown("it", said, KEYS)
    kinds = [kind for kind in KINDS if kind in said]
    if len(kinds) != 1 or not isinstance(said[kinds[0]], str):
        raise InputError(f"it has {' and '.join(kinds) or 'no quantity'}, expected one text: {', '.join(KINDS)}")
    kind = kinds[0]
    claim = Claim.parse(said[kind])
    bounds, doubt = Bounds.parse(kind, claim, said), forced or _doubt(said.get("doubt", usual))
    rule = Rule(number, kind, claim, bounds, doubt, said.get("group"), said.get("reference", ""))
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    """Raises InputError where keys of a rule contradict each other."""
    claim = rule.claim
    if rule.whose not in (None, "each", "worst"):
        raise InputError(f"group is {rule.whose!r}, expected 'each' or 'worst'")
    if claim.metric == MEDIAN:
        _check_median(rule)
        return
    if rule.whose is None and claim.columns and claim.group.pair is None:
        raise InputError(f"'{claim.text}' names no group, expected [{claim.select}=...], or group = 'each' or 'worst'")
    if rule.whose is not None and (not claim.columns or claim.group.pair is not None):
        raise InputError(
            f"group = '{rule.whose}' needs the labels alone, such as {claim.metric}[sex], got '{claim.text}'"
        )
    if rule.whose == "worst" and (rule.kind == "change" or claim.metric not in RATES):
        raise InputError("group = 'worst' is of a claim or ratio of rates; of changes and times take group = 'each'")
    if rule.kind == "ratio" and (claim.metric not in RATES or not claim.columns):
        raise InputError(f"a ratio is of the rates of two groups, such as fmr[sex=female], got '{claim.text}'")
    if rule.reference and rule.kind != "ratio":
        raise InputError("reference is the group that a ratio is taken to, and this rule has none")


def _check_median(rule: Rule) -> None:
    """Raises InputError unless the rule is of the change of one median or of each."""
    if rule.kind != "change":
        raise InputError(f"medians of times are held against the baseline alone, expected change = '{rule.claim.text}'")
    if (rule.whose is None) != bool(rule.claim.select) or rule.whose == "worst":
        raise InputError("expected either change = 'median[NAME]', or change = 'median' and group = 'each'")


def _refuse_unknown(where: str, said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    other = [key for key in said if key not in known]
    if other:
        raise InputError(f"{where} has the key '{other[0]}', expected {', '.join(known)}")


def _doubt(value: Any) -> Doubt:
    if value not in DOUBTS:
        raise InputError(f"doubt is {value!r}, expected {', '.join(DOUBTS)}")
    found: Doubt = value
    return found


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value < 0.5:
        raise InputError(f"false_failures is {value!r}, expected a probability above 0 and below 0.5")
    return float(value)
