"""`frbench power`: what it prints is what the functions say."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from frbench.cli import app
from frbench.reading.power import Design, subjects_for_bound, subjects_for_errors, subjects_needed


def run(*arguments: str):
    """The command, in this process."""
    return CliRunner().invoke(app, ["power", *arguments])


@pytest.mark.parametrize(
    ("arguments", "design", "ratio"),
    [
        (["--rate", "1e-5"], Design("fmr", 1e-5), 2.0),
        (["--rate", "0.01", "--metric", "fnmr", "--ratio", "1.5"], Design("fnmr", 0.01, 2), 1.5),
        (
            ["--rate", "0.01", "--metric", "fnir", "--templates", "3", "--spread", "0.5"],
            Design("search", 0.01, 3, 0.5),
            2,
        ),
    ],
)
def test_power_says_what_the_planner_says(arguments: list[str], design: Design, ratio: float):
    """As text and as JSON."""
    needed = subjects_needed(design, ratio)
    text, values = run(*arguments), json.loads(run(*arguments, "--json").output)

    assert text.exit_code == 0
    assert f"{needed:,} subjects in each group" in text.output
    assert values["subjects_per_group"] == needed
    assert values["subjects_for_30_errors"] == subjects_for_errors(design)
    assert values["subjects_without_error_for_bound"] == subjects_for_bound(design)
    assert values["trials_per_group"] == int(design.trials(needed))


def test_more_power_needs_more_people():
    """90% more than 80%, 99% more than 95%."""
    default, power, level = (
        json.loads(run("--rate", "1e-4", "--json", *more).output)["subjects_per_group"]
        for more in ([], ["--power", "0.9"], ["--level", "0.99"])
    )

    assert default < min(power, level)


def test_a_rate_is_required_and_checked():
    """Nothing is assumed about the rate, and a wrong one is refused."""
    assert "Missing option '--rate'" in run().output
    assert "rate is 2.0, expected above 0 and below 1" in str(run("--rate", "2").exception)
