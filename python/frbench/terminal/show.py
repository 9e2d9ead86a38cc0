"""Prints the tables of a finished run, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType

from frbench.terminal import figures
from frbench.terminal.identify import identify_tables
from frbench.terminal.latency import latency_tables
from frbench.terminal.load import load_tables
from frbench.terminal.shortcuts import shortcut_tables
from frbench.terminal.verify import verify_tables

OF_KIND: Mapping[str, Callable[[Mapping[str, Any]], Iterable[RenderableType]]] = {
    "verify": verify_tables,
    "identify": identify_tables,
    "latency": latency_tables,
    "load": load_tables,
    "ann": shortcut_tables,
    "precision": shortcut_tables,
}


def tables(results: Mapping[str, Any]) -> Iterable[RenderableType]:
    """All tables and sentences of a run, in order."""
    return OF_KIND[results["kind"]](results)


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results` to standard output."""
    figures.terminal(console).print(Group(*tables(results)))
