"""Prints the tables of a finished run, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType

from frbench.results.types import Results, results_of
from frbench.terminal import figures
from frbench.terminal.identify import identify_tables
from frbench.terminal.latency import latency_tables
from frbench.terminal.load import load_tables
from frbench.terminal.shortcuts import shortcut_tables
from frbench.terminal.verify import verify_tables


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results`, as they were read from a file, to standard output."""
    figures.terminal(console).print(Group(*tables(results_of(results))))


def tables(results: Results) -> Iterator[RenderableType]:
    """Tables and sentences of a run, in order."""
    match results["kind"]:
        case "verify":
            return verify_tables(results)
        case "identify":
            return identify_tables(results)
        case "latency":
            return latency_tables(results)
        case "load":
            return load_tables(results)
        case _:
            return shortcut_tables(results)
