"""Writes sentences on searches that were made exactly and otherwise, for a terminal and for the page."""

from __future__ import annotations

from frbench.plan import ALL
from frbench.results.types import Approximate, Estimate, Gap, Interval, Shortcut, Speed, System
from frbench.results.types import OwnThreshold as Own
from frbench.results.types import ShortcutRow as Row
from frbench.terminal import figures

EXACT = "exact"
ERRORS = {"fnir": "misses", "fpir": "false positives"}


def method(results: Shortcut) -> str:
    """What was held against the exact search, in one sentence."""
    n = f"gallery of {results['gallery']:,} templates of dimension {results['dimension']}, lists of {results['k']}"
    found = results.get("approximate")
    if found is None:
        return f"Templates as other formats store them, beside float32; {n}; scores by the definition."
    return (
        f"Approximate search beside the exact one: {index(found)}, {_made(results)}; {n}; "
        "what the index proposes is scored by the definition."
    )


def _made(results: Shortcut) -> str:
    """Seconds and bytes of the index, or of those of all workers."""
    seconds, total = f"built in {results['build_s']:.3g} s", size(results["index_bytes"])
    by_worker = results.get("worker_indexes")
    if by_worker is None:
        return f"{seconds}, {total}"
    added = sum(each["seconds"] for each in by_worker)
    largest = size(max(each["nbytes"] for each in by_worker))
    return (
        f"{seconds} by the slowest worker ({added:.3g} s of all together), {total} in all ({largest} the largest index)"
    )


def at_work(results: Shortcut) -> str:
    """Who searches while searches are timed."""
    workers = _workers_of(results)
    return "one thread" if workers is None else f"one call to {_workers(workers)} on Ray, one thread each"


def threads_of(results: Shortcut) -> str:
    """The same, as a part of the heading of a column."""
    workers = _workers_of(results)
    return "1 thread" if workers is None else f"{_workers(workers)} of 1 thread on Ray"


def here(results: Shortcut) -> str:
    """The search that is not exact, as the heading of a column."""
    return "stored" if "approximate" not in results else "approximate"


def index(found: Approximate) -> str:
    """An index and its parameters."""
    parameters = "".join(f", {name}={value}" for name, value in found["parameters"].items())
    threads, workers = found["threads"], found.get("workers")
    where = "" if workers is None else f", one index a worker, {_workers(workers)}"
    return f"{found['index']} ({found['library']}{parameters}, {threads} thread{'s' if threads > 1 else ''}{where})"


def _workers_of(results: Shortcut) -> int | None:
    return results["approximate"].get("workers") if "approximate" in results else None


def _workers(n: int) -> str:
    return f"{n:,} worker{'s' if n > 1 else ''}"


def heading(metric: str, threshold: float | None, rank: int | None, results: Shortcut) -> str:
    """A rate as the heading of its table."""
    name = "FPIR" if metric == "fpir" else f"FNIR, rank {rank}"
    if threshold is None:
        return f"{name}, without a threshold"
    origins = [p["at"] for p in results["operating_points"] if p["threshold"] == threshold]
    return f"{name}, threshold {threshold:.9g}" + (f" ({', '.join(origins)})" if origins else "")


def rate_name(row: Gap | Row | Own) -> str:
    """A rate in few words."""
    rate = "FPIR" if row["metric"] == "fpir" else f"FNIR rank {row['rank']}"
    threshold = row.get("threshold")
    return rate if threshold is None else f"{rate} at {threshold:.9g}"


def shown(gap: Gap) -> str:
    """A gap that is beyond doubt, in one sentence."""
    found = gap["added"] if gap["opens"] else gap["removed"]
    value, ends = found["value"] or 0.0, (found["low"] or 0.0, found["high"] or 0.0)
    more, less = (gap["group"], gap["reference"]) if value > 0 else (gap["reference"], gap["group"])
    low, high = sorted(map(abs, ends))
    removed = "hidden" if gap["metric"] == "fpir" else "removed"
    return (
        f"{gap['system']}: {figures.percent(abs(value))} more {'added' if gap['opens'] else removed} "
        f"{ERRORS[gap['metric']]} of {more} than of {less} ({figures.percent(low)} to {figures.percent(high)}); "
        f"{_exact(gap['exact'], value > 0)}"
    )


def has_gap(gap: Gap) -> bool:
    """Whether errors are added, or removed, more in one of both groups, beyond doubt."""
    return bool(gap["opens"] or gap["hides"])


def _exact(exact: Interval, is_more: bool) -> str:
    value, low, high = exact["value"], exact["low"], exact["high"]
    if value is None or low is None or high is None or low <= 0 <= high:
        return "the exact search shows no difference between them"
    return f"in the exact search the difference is {figures.percent(value if is_more else -value)}"


def unshown(results: Shortcut) -> str:
    """How many gaps are not beyond doubt, and the largest that may hide among them."""
    rest = [gap for gap in results["gaps"] if not has_gap(gap)]
    every = [[end for part in (gap["added"], gap["removed"]) for end in (part["low"], part["high"])] for gap in rest]
    known = [max(abs(end) for end in ends if end is not None) for ends in every if ends[0] is not None]
    if not rest:
        return "every comparison of two groups shows that one of them is served otherwise than the other"
    n = len(rest)
    bound = f"; the widest interval of these reaches {figures.percent(max(known))}" if known else ""
    missing = f"; {n - len(known)} of them cannot be estimated" if len(known) < n else ""
    of_all = f"{n} of {len(results['gaps'])} comparisons of two groups"
    return f"{of_all} do not show that one of them is served otherwise than the other{bound}{missing}"


def prices(results: Shortcut) -> list[str]:
    """What each search adds to the misses of everybody at the first rank, and how fast it is, in a sentence each."""
    rank = results["ranks"][0]
    rows = {
        row["system"]: row["added"]
        for row in results["rows"]
        if (row["metric"], row["threshold"], row["rank"], row["grouping"]) == ("fnir", None, rank, ALL)
    }
    where = at_work(results)
    found = [_price(s["name"], rows[s["name"]], s["queries"], rank, where) for s in results["systems"]]
    exact = results["exact_queries"]["per_s"]
    return found if exact is None else [*found, f"{EXACT}: {speed(exact)} searches a second in {where}"]


def _price(name: str, added: Estimate, queries: Speed, rank: int, where: str) -> str:
    ends = "" if added["low"] is None else f", 95% interval {figures.interval(added, figures.percent)}"
    share = "no mated searches" if added["value"] is None else f"{figures.percent(added['value'])}{ends}"
    fast = "" if queries["per_s"] is None else f"; {speed(queries['per_s'])} searches a second in {where}"
    return f"{name}: {added['k']:,} of {added['n']:,} mated searches lose their mate at rank {rank} ({share}){fast}"


def size(n: int) -> str:
    """Bytes as people write them."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n >= unit:
            return f"{n / unit:.3g} {name}"
    return f"{n:,} bytes"


def system_size(results: Shortcut, system: System) -> str:
    """What a search keeps: bytes of its index, or of a row."""
    if "reduced" in system:
        return f"{system['reduced']['bytes_per_row']:,} bytes a row"
    return size(results["index_bytes"])


def speed(per_s: float) -> str:
    """Searches a second to three digits."""
    return f"{float(f'{per_s:.3g}'):,.0f}" if per_s >= 1 else f"{per_s:.3g}"
