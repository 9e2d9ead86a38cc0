"""Writes numbers and estimates as a reader sees them, in sentences and in tables; nothing is estimated here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from markupsafe import Markup, escape

from frbench.results.types import Estimate, Range, Value

RULE_OF_30 = 30
ABOVE = "above 99.99%"
Writer = Callable[[float], str]
METRICS = {"fmr": "the false match rate", "fnmr": "the false non-match rate", "fpir": "FPIR", "fnir": "FNIR"}
PAIRWISE = ("fmr", "fnmr")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class RateCell:
    """An estimate in a table.

    value : the rate, or what there is instead of one. is_number : whether `value` is a rate.
    interval : the interval, or why there is none. share : "k / n". more : "1 in 225", or "".
    warning : what makes the rate weak, or "". under : a line below the interval, or "".
    """

    value: str
    is_number: bool = True
    interval: str = ""
    share: str = ""
    more: str = ""
    warning: str = ""
    under: str = ""


@dataclass(frozen=True)
class CountCell:
    """Counts in a table. below : people behind them, or ""."""

    text: str
    below: str = ""


Cell: TypeAlias = RateCell | CountCell | str


def count(n: int) -> str:
    """With thousands separators: 52,478,334."""
    return f"{n:,}"


def plural(n: int, one: str, many: str = "") -> str:
    """`n` and its noun: 1 search, 2 searches."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def scientific(value: float) -> str:
    """Three digits and an exponent: 4.45e-3; from 0.1 on as a percentage."""
    if value == 0 or value >= 0.1:
        return percent(value)
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def percent(value: float) -> str:
    """Three digits: 4.80%; below 0.01% with an exponent, and 100% only for all."""
    if 0 < value < 1e-4:
        return scientific(value)
    if value in (0, 1):
        return f"{value:.0%}"
    for decimals in (1 if value >= 0.1 else 2 if value >= 0.01 else 3 if value >= 0.001 else 4, 2, 3, 4, 5):
        text = f"{value:.{decimals}%}"
        if not text.startswith("100"):
            return text
    return ABOVE


def digits(value: float, n: int = 2) -> str:
    """`n` digits without an exponent: 3.8, 0.41, 120."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{n - 1}e}")
    decimals = max(0, n - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def number(value: float, least: int = 4) -> str:
    """`least` digits, and more where it would round to 1 without being 1: 3.762, 0.999996."""
    if value == 1:
        return "1"
    texts = [digits(value, n) for n in range(least, 18)]
    return next((text for text in texts if text.rstrip("0") != "1."), texts[-1])


five_digits = partial(number, least=5)
# A ratio.
factor = partial(number, least=3)
# Without an exponent: 0.036, 1.20.
three_digits = partial(digits, n=3)


def capital(text: str) -> str:
    """`text` from a capital letter on."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """`text` from a capital letter to a full stop, rates as 1.43e-3."""
    text = re.sub(r"(?<=\d)e-0(\d)", r"e-\1", text)
    return f"{capital(text)}."


def one_in(value: float) -> str:
    """The rate as one of so many: 1 in 225."""
    return f"1 in {digits(1 / value, 3 if value < 0.01 else 2)}"


def score(value: float) -> str:
    """A threshold, short."""
    return f"{value:.4f}".replace("-", MINUS)


def exact(value: float) -> str:
    """A threshold with nine digits, which tell any float32 from its neighbours."""
    return f"{value:.9g}"


def nanoseconds(value: float) -> str:
    """A time in the unit that suits it: 344 µs."""
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= scale:
            return f"{digits(value / scale, 3)} {unit}"
    return f"{value:.0f} ns"


def metric(name: str, rank: int | None = None) -> str:
    """A rate in a sentence."""
    return METRICS[name] + (f" at rank {rank}" if rank else "")


def signed(value: float) -> str:
    """A difference of rates, always with its sign: +3.26e-3."""
    return _sign(value) + scientific(abs(value))


def signed_percent(value: float) -> str:
    """A difference of shares, always with its sign: +2.10%."""
    return _sign(value) + percent(abs(value))


def _sign(value: float) -> str:
    return "+" if value > 0 else MINUS if value < 0 else ""


def grouping(title: str) -> str:
    """Label columns in a sentence: `sex,region` is sex and region."""
    return listed(title.split(","))


def unbroken(text: str) -> Markup:
    """`text`, escaped, with rates such as 1e-3 kept on one line."""
    return Markup(re.sub(r"(?<![\w.&#])(\d+(?:\.\d+)?e-\d+)", r'<span class="nb">\1</span>', str(escape(text))))


def reason(text: str) -> str:
    """A reason with thousands separators in its numbers, and large ones without an exponent."""
    text = re.sub(r"\b\d(?:\.\d+)?e\+\d+", lambda found: f"{float(found[0]):.0f}", text)
    return re.sub(r"(?<![\w.])\d{4,}(?![\w.])", lambda found: f"{int(found[0]):,}", text)


def people(n: int | None) -> str:
    """1 person, 2 people; nothing where they are not known."""
    return "" if n is None else plural(n, "person", "people")


def target(at: str) -> str:
    """A target as words: `fmr=1e-3` is FMR 1e-3."""
    metric, _, rate = at.partition("=")
    return f"{metric.upper()} {rate}"


def population(name: str) -> str:
    """Where a threshold was set."""
    return "all non-mated pairs" if name == "all" else name


def bare(found: Value) -> Range:
    """A value that has no interval."""
    return {"value": found["value"], "low": None, "high": None, "reason": found["reason"]}


def ends(found: Range, write: Writer) -> str:
    """Both ends of an interval, or the reason why it has none."""
    low, high = found["low"], found["high"]
    return reason(found["reason"]) if low is None or high is None else f"{write(low)} to {write(high)}"


def interval(estimate: Estimate, *, exponent: bool) -> str:
    """The interval of a rate, one bound where all trials went one way, or the reason why it has none."""
    low, high = estimate["low"], estimate["high"]
    write = scientific if exponent else percent
    if low is None or high is None:
        return reason(estimate["reason"]) or "not estimable"
    if estimate["k"] == 0:
        return f"at most {write(high)}"
    return f"at least {write(low)}" if estimate["k"] == estimate["n"] else ends(estimate, write)


def missing(why: str, share: str = "") -> RateCell:
    """What stands in a table where there is no number."""
    return RateCell("not estimable", False, reason(why), share)


def share(found: Estimate) -> str:
    """Both counts of a rate: 3 / 1,000."""
    return f"{found['k']:,} / {found['n']:,}"


def rate_cell(estimate: Estimate, *, exponent: bool = False) -> RateCell:
    """An estimate of `results.json` for a table; `exponent` writes 4.45e-3 in place of 0.445%."""
    k, value = estimate["k"], estimate["value"]
    if value is None:
        return missing(estimate["reason"], share(estimate))
    if k == 0:
        return RateCell("none seen", False, interval(estimate, exponent=exponent), share(estimate))
    write = scientific if exponent else percent
    more = one_in(value) if exponent and value < 0.1 else ""
    warning = "fewer than 30 errors" if k < RULE_OF_30 else ""
    return RateCell(write(value), True, interval(estimate, exponent=exponent), share(estimate), more, warning)


def stacked(estimate: Estimate, *, exponent: bool = False) -> RateCell:
    """An estimate for a table without a column of counts: they stand below it."""
    cell = rate_cell(estimate, exponent=exponent)
    return replace(cell, more="", under=cell.share)


def rate_and_counts(estimate: Estimate, *, exponent: bool = False) -> tuple[RateCell, CountCell]:
    """Two cells of a table: an estimate, and its counts with the people behind them."""
    cell = rate_cell(estimate, exponent=exponent)
    return cell, CountCell(cell.share, people(estimate["n_subjects"]))


def value_cell(found: Range, write: Writer) -> RateCell:
    """A value that is no fraction of counts, with its interval, for a table; what is missing has its reason."""
    value = found["value"]
    return missing(found["reason"]) if value is None else RateCell(write(value), True, ends(found, write))


def rate_phrase(estimate: Estimate, *, exponent: bool = False) -> Markup:
    """A rate in a sentence, with its interval and its counts; with no error, its upper bound."""
    between = interval(estimate, exponent=exponent)
    k, n = count(estimate["k"]), count(estimate["n"])
    if estimate["value"] is None or (estimate["k"] == 0 and estimate["high"] is None):
        return Markup("<b>not estimable</b> ({}; {} of {})").format(between, k, n)
    level = f"{estimate['level']:.0%}"
    if estimate["k"] == 0:
        return Markup("<b>{}</b> ({} bound; no error in {})").format(between, level, n)
    note = between if estimate["low"] is None else f"{level} interval {between}"
    return Markup("<b>{}</b> ({}; {} of {})").format(rate_cell(estimate, exponent=exponent).value, note, k, n)


def listed(items: list[str]) -> str:
    """Words joined as in a sentence: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
