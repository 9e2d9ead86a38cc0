"""What can go wrong, one class for each thing that a caller may want to catch.

Every message is one sentence: what, got, expected, next step. `code` is stable and meant for programs.
"""

from __future__ import annotations

import re


class FrbenchError(Exception):
    """Any mistake that frbench explains; the command line prints the message and exits with `exit_code`."""

    code = "frbench"
    exit_code = 2

    def __init_subclass__(cls) -> None:
        # PlanMismatch is plan-mismatch, InputError is input.
        cls.code = re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Error")).lower()


class InputError(FrbenchError, ValueError):
    """A file or an argument does not say what it must; the message names the file, row or field."""


class PlanMismatch(FrbenchError, ValueError):
    """Two tallies do not count the same thing."""


class TileCountedTwice(FrbenchError, ValueError):
    """Adding these tallies would count a tile twice."""


class EdgeNotInPlan(FrbenchError, LookupError):
    """The tally cannot answer at this threshold, because it is not one of the edges of its axis."""


class FormatError(FrbenchError, ValueError):
    """A file or an answer of frbench's own is damaged or of a version that this release cannot read."""


class EngineUnavailable(FrbenchError, RuntimeError):
    """The engine or instruction set that was asked for is not available here."""


class ServerBusy(EngineUnavailable):
    """A server has no room for the call now; it will after `retry_s` seconds."""

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class Refused(InputError):
    """A server answers that the call is wrong, or that the caller may not make it; the message is the server's."""


class NotOnServer(Refused):
    """A server does not have the gallery."""


class AlreadyOnServer(Refused):
    """A server has a gallery or template of this name already."""


class NotComparable(FrbenchError, ValueError):
    """Two runs are not of the same trials, so that a difference between them would say nothing of the systems."""

    exit_code = 3


class OutputError(FrbenchError, OSError):
    """A result could not be written; nothing half-written was left behind."""


class Conservation(FrbenchError, AssertionError):
    """An engine returned another number of trials than the plan declares: its counts must not be used."""


class Tampered(FrbenchError, ValueError):
    """An audit log or a signed run is not as it was written: something was changed, removed, added or moved."""

    exit_code = 1


class NoBaseline(FrbenchError, LookupError):
    """There is nothing to compare a run with."""

    exit_code = 3


class InvalidRun(FrbenchError, ValueError):
    """A measurement does not show what it is asked for, whatever its figures say."""

    exit_code = 4
