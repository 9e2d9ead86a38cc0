"""`frbench info`: what this machine has, and what its kernels do."""

from __future__ import annotations

import json

import click

from frbench.planning import machine


@click.command(name="info")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; numbers carry their units in their names.")
@click.option("--quick", is_flag=True, help="Measure nothing.")
def command(as_json: bool, quick: bool) -> None:
    """Show what frbench found on this machine, and measure what its kernels do: some seconds."""
    found = machine.describe(measures=not quick)
    if as_json:
        click.echo(json.dumps(found))
    else:
        machine.show(found)
