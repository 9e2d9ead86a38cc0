"""The command `frbench power`: how many people it takes to see a difference, before there are any data."""

from __future__ import annotations

import json

import click

from frbench.estimate import LEVEL
from frbench.reading.power import POWER, Design, subjects_for_bound, subjects_for_errors, subjects_needed

KINDS = {"fmr": "fmr", "fnmr": "fnmr", "fpir": "search", "fnir": "search"}


@click.command(name="power")
@click.option("--metric", type=click.Choice(list(KINDS)), default="fmr", show_default=True, help="Rate to compare.")
@click.option(
    "--rate", type=float, required=True, metavar="R", help="Rate expected of the reference group, such as 1e-5."
)
@click.option(
    "--ratio", type=float, default=2.0, show_default=True, help="True ratio of the rates of two groups to see."
)
@click.option(
    "--templates", type=int, help="Templates of each subject; searches for FPIR and FNIR.  [default: 1; FNMR 2]"
)
@click.option("--spread", type=float, default=1.0, show_default=True,
              help="Deviation of people's own rates over their mean.")  # fmt: skip
@click.option("--power", "chance", type=float, default=POWER, show_default=True, help="Chance to see it.")
@click.option("--level", type=float, default=LEVEL, show_default=True, help="Level of the interval that shows it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    metric: str,
    rate: float,
    ratio: float,
    templates: int | None,
    spread: float,
    chance: float,
    level: float,
    as_json: bool,
) -> None:
    """Say how many subjects each of two groups needs.

    \b
    frbench power --rate 1e-5 --ratio 2              FMR of 1e-5 against 2e-5
    frbench power --metric fnmr --rate 0.01 --ratio 1.5 --templates 3

    Templates of the same two people are taken as independent, which is optimistic: more subjects are better than more
    templates.
    """
    kind = KINDS[metric]
    own = templates if templates is not None else 2 if kind == "fnmr" else 1
    design = Design(kind, rate, own, spread)  # type: ignore[arg-type]
    found = {
        "subjects_per_group": subjects_needed(design, ratio, power=chance, level=level),
        "subjects_for_30_errors": subjects_for_errors(design),
        "subjects_without_error_for_bound": subjects_for_bound(design, level),
    }
    needed = found["subjects_per_group"]
    trials = design.trials(needed)
    if as_json:
        asked = {"metric": metric, "rate": rate, "ratio": ratio, "templates": own, "spread": spread}
        click.echo(json.dumps(asked | {"power": chance, "level": level} | found | {"trials_per_group": int(trials)}))
        return
    click.echo(
        f"{metric.upper()} {rate:g} against {rate * ratio:g}, a ratio of {ratio:g}, is seen with {chance:.0%} power by "
        f"{needed:,} subjects in each group ({trials:,.0f} trials, {trials * rate:,.1f} errors expected in the "
        "reference group)."
    )
    click.echo(f"30 errors, for a rate within about 30% of the truth: {found['subjects_for_30_errors']:,} subjects.")
    click.echo(
        f"No error at all bounds the rate below {rate:g} at {level:.0%} from "
        f"{found['subjects_without_error_for_bound']:,} subjects on: a bound counts only trials that share none."
    )
