"""Prints the tables of a finished run, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group

from frbench.terminal import figures
from frbench.terminal.identify import identify_tables
from frbench.terminal.latency import latency_tables
from frbench.terminal.load import load_tables
from frbench.terminal.shortcuts import shortcut_tables
from frbench.terminal.verify import verify_tables


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results` to standard output."""
    of_kind = {
        "verify": verify_tables,
        "identify": identify_tables,
        "latency": latency_tables,
        "load": load_tables,
        "ann": shortcut_tables,
        "precision": shortcut_tables,
    }
    tables = of_kind[results["kind"]](results)
    figures.terminal(console).print(Group(*tables))
