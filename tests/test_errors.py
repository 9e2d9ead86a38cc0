"""Codes of mistakes, which programs read."""

from frbench import errors
from frbench.errors import FrbenchError


def test_codes_are_stable():
    """Each class has the code that it always had."""
    found = {name: each.code for name, each in vars(errors).items() if isinstance(each, type)}

    assert found == {
        "FrbenchError": "frbench",
        "InputError": "input",
        "PlanMismatch": "plan-mismatch",
        "TileCountedTwice": "tile-counted-twice",
        "EdgeNotInPlan": "edge-not-in-plan",
        "FormatError": "format",
        "EngineUnavailable": "engine-unavailable",
        "ServerBusy": "server-busy",
        "Refused": "refused",
        "NotOnServer": "not-on-server",
        "AlreadyOnServer": "already-on-server",
        "NotComparable": "not-comparable",
        "OutputError": "output",
        "Conservation": "conservation",
        "Tampered": "tampered",
        "NoBaseline": "no-baseline",
        "InvalidRun": "invalid-run",
    }


def test_a_class_of_another_program_has_a_code_of_its_own():
    """It follows from the name."""

    """It follows from the name."""

    class DiskFull(FrbenchError):
        """No room."""

    assert DiskFull.code == "disk-full"
