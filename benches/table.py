"""Races as tables: in the terminal after a run, and in Markdown from its JSON.

`python -m benches.table out/bench.json` prints Markdown; with `--into README.md` it replaces what stands there between
the two comments MARKS.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
Entry = Mapping[str, Any]

MARKS = ("<!-- figures -->", "<!-- end of figures -->")
# Share of the processors that others may take during a race before its title says so; an idle machine stays below 0.01.
DISTURBED = 0.05
# Products of slices that make a score fine; see rust/fine.rs.
SLICE_PRODUCTS = 6


@dataclass(frozen=True)
class Table:
    """A title, a header and rows of texts."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> list[str]:
        """Lines in columns: the first is left-aligned, others by their widest cell."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (self.header, *self.rows)
        ]
        return [self.title, *(f"  {line}" for line in lines), ""]

    def markdown(self) -> list[str]:
        """Lines of a Markdown table under its title in bold."""
        rows = (self.header, ["---"] * len(self.header), *self.rows)
        return [f"**{self.title}**", "", *(f"| {' | '.join(row)} |" for row in rows), ""]


def tables(results: Sequence[Result]) -> list[Table]:
    """One table for each race, and one for each series of them; in the order of the run."""
    runs = [list(races) for _, races in groupby(results, key=lambda result: result["series"])]
    series = [[_series(races)] if races[0]["series"] else [_race(race) for race in races] for races in runs]
    return [table for some in series for table in some]


def lost(results: Sequence[Result]) -> list[str]:
    """Peers that are faster than the kernel that frbench takes by itself, one line each."""
    return list(_with_verdict(results, "lost"))


def even(results: Sequence[Result]) -> list[str]:
    """Peers whose interval has 1 in it, one line each."""
    return list(_with_verdict(results, "even"))


def noise(results: Sequence[Result]) -> str:
    """How far frbench is from itself over all races, and how much of the machine others took at most."""
    again = [e["ratios"][r["kernels"][0]][0] for r in results for e in r["entries"] if e["kind"] == "again"]
    others = max(result["others"] for result in results)
    return (
        f"frbench against itself, {min(again):.3f} to {max(again):.3f} in {len(again)} races; "
        f"other processes took at most {max(0, others):.1%} of the processors during a race"
    )


def machine(info: Mapping[str, Any]) -> Table:
    """What the run was made on."""
    plain = {key: "; ".join(map(str, value)) if isinstance(value, list) else value for key, value in info.items()}
    plain["peers"] = "; ".join(f"{name} {version}" for name, version in info["peers"].items())
    plain["multiply_adds"] = "; ".join(
        f"{kernel} {rates['int8'] / 1e9:,.0f} int8, {rates['float32'] / 1e9:,.0f} float32"
        for kernel, rates in info["multiply_adds"].items()
    )
    return Table("Machine", ("what", "value"), [(key, str(value)) for key, value in plain.items() if value != ""])


def roofs(results: Sequence[Result], multiply_adds: Mapping[str, Mapping[str, float]], threads: int) -> Table:
    """The least time that each kernel's multiplications alone take, and the ratio that no design above them exceeds.

    A search or a sweep above a limit multiplies 8-bit integers at least once; a histogram needs every score to about
    1e-6: six such products, or one of floats, whichever is faster.
    """
    rows = []
    for result in (r for r in results if r["products"]):
        peer = _reference(result)
        for entry in (e for e in result["entries"] if e["kind"] == "kernel" and peer is not None):
            rates = multiply_adds[entry["name"].removeprefix("frbench ")]
            rate = max(rates["int8"] / SLICE_PRODUCTS, rates["float32"]) if result["is_fine"] else rates["int8"]
            least = result["products"] / rate / threads
            rows.append(
                [
                    f"{result['work']}: {result['size']}",
                    entry["name"],
                    _time(least),
                    _time(entry["median_s"]),
                    f"{least / entry['median_s']:.0%}",
                    peer["name"],
                    f"{peer['median_s'] / entry['median_s']:.3g}",
                    f"{peer['median_s'] / least:.3g}",
                ]
            )
    header = ("race", "kernel", "multiplying alone", "whole", "share", "peer", "its ratio", "highest possible")
    return Table("Roofs", header, rows)


def _reference(result: Result) -> Entry | None:
    """The fastest peer that does all of the work, or the first that does a part of it."""
    peers = [entry for entry in result["entries"] if entry["kind"] == "peer"]
    whole = [entry for entry in peers if not entry["leaves_out"]]
    return min(whole, key=lambda entry: entry["median_s"]) if whole else next(iter(peers), None)


def page(run: Mapping[str, Any]) -> str:
    """The whole of a run's JSON as Markdown."""
    results = [benchmark["extra_info"] for benchmark in run["benchmarks"]]
    commit, info = run["commit_info"], run["machine_info"]["race"]
    changed = ", changed" if commit.get("dirty") else ""
    blocks = [
        [f"Run of {run['datetime'][:10]}, commit {commit.get('id', 'unknown')[:10]}{changed}.", ""],
        machine(info).markdown(),
        [f"Noise: {noise(results)}.", ""],
        _list("Lost", lost(results)),
        _list("Even", even(results)),
        roofs(results, info["multiply_adds"], info["threads"]).markdown(),
        *(table.markdown() for table in tables(results)),
    ]
    return "\n".join(line for block in blocks for line in block).rstrip() + "\n"


def into(readme: str, figures: str) -> str:
    """`readme` with `figures` between the two marks."""
    head, begin, rest = readme.partition(MARKS[0])
    _, end, tail = rest.partition(MARKS[1])
    if not begin or not end:
        raise ValueError(f"found no {MARKS[0]} followed by {MARKS[1]}, expected both in the file to write into")
    return f"{head}{begin}\n\n{figures}\n{end}{tail}"


def _race(result: Result) -> Table:
    kernels = result["kernels"]
    has_rate = bool(result["comparisons"])
    header = ["contestant", "median", *(["Gcmp/s"] if has_rate else []), *(f"/ {name}" for name in kernels), "note"]
    rows = [
        [
            entry["name"],
            _time(entry["median_s"]),
            *([_rate(result, entry)] if has_rate else []),
            *(_ratio(entry, name) for name in kernels),
            _note(entry),
        ]
        for entry in result["entries"]
    ]
    return Table(f"{result['work']}: {result['size']}{_disturbed([result])}", header, rows)


def _series(races: Sequence[Result]) -> Table:
    first = races[0]["entries"][0]["name"]
    others = list(dict.fromkeys(entry["name"] for race in races for entry in race["entries"][1:]))
    rows = []
    for race in races:
        ours, *rest = race["entries"]
        named = {entry["name"]: entry for entry in rest}
        ratios = [_ratio(named[name], first) if name in named else "" for name in others]
        rows.append([race["label"], _time(ours["median_s"]), _rate(race, ours), *ratios])
    return Table(
        races[0]["series"] + _disturbed(races), ["", first, "Gcmp/s", *(f"{name} / it" for name in others)], rows
    )


def _disturbed(races: Sequence[Result]) -> str:
    others = max(race["others"] for race in races)
    return f" (DISTURBED: others took {others:.0%} of the processors)" if others > DISTURBED else ""


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _rate(result: Result, entry: Entry) -> str:
    if entry["kind"] == "own":  # another work, of another number of comparisons
        return ""
    return f"{result['comparisons'] / entry['median_s'] / 1e9:.3g}"


def _ratio(entry: Entry, kernel: str) -> str:
    if kernel not in entry["ratios"]:
        return "1"
    value, low, high = entry["ratios"][kernel]
    verdict = entry["verdicts"][kernel] if entry["kind"] == "peer" else "won"
    mark = {"lost": " LOST", "even": " even", "won": ""}[verdict]
    return f"{value:.3g} [{low:.3g}, {high:.3g}]{mark}"


def _note(entry: Entry) -> str:
    scaled = f"time x {1 / entry['share']:.3g}" if entry["share"] != 1 else ""
    facts = [f"{name} {value:.3g}" for name, value in entry["facts"].items() if name != "recall"]
    setting = entry["setting"] if entry["kind"] == "peer" else ""
    gallery = "" if entry["before"] == "-" else f"gallery {entry['before']}"
    parts = (entry["leaves_out"], scaled, *facts, setting, gallery, f"n={entry['n']}")
    return "; ".join(part for part in parts if part)


def _with_verdict(results: Iterable[Result], verdict: str) -> Iterable[str]:
    for result in results:
        best = result["kernels"][0]
        for entry in result["entries"]:
            if entry["kind"] == "peer" and entry["verdicts"][best] == verdict:
                value, low, high = entry["ratios"][best]
                less = f" ({entry['leaves_out']})" if entry["leaves_out"] else ""
                place = f"{result['work']}, {result['label'] or result['size']}"
                yield f"{place}: {entry['name']}{less} takes {value:.3g} [{low:.3g}, {high:.3g}] of the time of {best}"


def _list(title: str, lines: Sequence[str]) -> list[str]:
    return [f"**{title}** ({len(lines)})", "", *(f"- {line}" for line in lines), *([""] if lines else [])]


def main() -> None:
    """Print the tables of a run, or write them into a file."""
    parser = argparse.ArgumentParser(description="Markdown tables of a benchmark run")
    parser.add_argument("run", type=Path, help="JSON that `make bench` wrote")
    parser.add_argument("--into", type=Path, help="file to write the tables into, between its two marks")
    given = parser.parse_args()
    figures = page(json.loads(given.run.read_text()))
    if given.into is None:
        print(figures, end="")
    else:
        given.into.write_text(into(given.into.read_text(), figures))


if __name__ == "__main__":
    main()
