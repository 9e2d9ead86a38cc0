"""Tells how far a run is, how fast it is and how long it still takes: on a terminal, to a function, or to nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from frbench.counting.sweep import Progress

UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


class Rate(TextColumn):
    """Units a second, of the work done in this process."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{scaled(speed)} {task.fields['unit']}/s", style="cyan")


def scaled(number: float) -> str:
    """`number` with three digits and k, M or G."""
    factor, letter = next((u for u in UNITS if number >= u[0]), UNITS[-1])
    return f"{number / factor:.3g}{letter}"


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Nothing is shown."""
        del title, total, unit
        yield lambda _: None

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """Nothing is shown."""
        del what
        yield


class Told(Silent):
    """Calls `tell` with the title of a step and the share of it that is done, 0 to 1."""

    def __init__(self, tell: Callable[[str, float], None]) -> None:
        self._tell = tell

    @contextmanager
    def step(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """`tell` is called with every amount done."""
        del unit
        done = 0
        self._tell(title, 0.0)

        def advance(amount: int) -> None:
            nonlocal done
            done += amount
            self._tell(title, done / total if total else 1.0)

        yield advance

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """`tell` is called once, and nothing is done yet."""
        self._tell(what, 0.0)
        yield


class TerminalProgress:
    """Progress bars on standard error.

    quiet : show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        is_shown = console.is_terminal and not quiet
        self._where: dict[str, Any] = {"console": console, "disable": not is_shown, "transient": True}
        self.fraction = 0.0

    @contextmanager
    def step(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """A bar for `total` units; the value is called with every amount done."""
        done = 0
        bar = Bars(
            TextColumn("{task.description:<14}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            Rate(),
            TimeRemainingColumn(),
            **self._where,
        )
        with bar:
            task = bar.add_task(title, total=total, unit=unit)

            def advance(amount: int) -> None:
                nonlocal done
                done += amount
                self.fraction = done / total if total else 1.0
                bar.advance(task, amount)

            yield advance

    @contextmanager
    def wait(self, what: str) -> Iterator[None]:
        """A line with what is waited for, and for how long already."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        # A library that is loaded meanwhile may keep the streams that it finds.
        line = Bars(*columns, **self._where, redirect_stdout=False, redirect_stderr=False)
        with line:
            line.add_task(what, total=None)
            yield


def progress_of(asked: bool | Callable[[str, float], None] | Progress) -> Progress:
    """Who is told: a terminal (True), nobody (False), a function, or what shows progress already."""
    if isinstance(asked, bool):
        return TerminalProgress() if asked else Silent()
    return Told(asked) if callable(asked) else asked
