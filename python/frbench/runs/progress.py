"""Progress on a terminal: how far, how fast, how long still. Silent when standard error is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

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


class TerminalProgress:
    """Progress bars on standard error.

    quiet : show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        self._is_shown = self._console.is_terminal and not quiet
        self.fraction = 0.0

    @contextmanager
    def step(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """A bar for `total` units; the value is called with every amount done."""
        done = 0
        bar = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            Rate(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._is_shown,
            transient=True,
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
        line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._is_shown,
            transient=True,
            # A library that is loaded meanwhile may keep the streams that it finds.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with line:
            line.add_task(what, total=None)
            yield
