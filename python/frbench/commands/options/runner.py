"""Options of commands that can hand their tiles to a cluster."""

from __future__ import annotations

from collections.abc import Callable

import click

from frbench.commands.options.decorated import decorated


def runner_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with these options."""
    options = [
        click.option("--runner", type=click.Choice(["ray"]),
                     help="Hand tiles to workers on Ray, each of which reads and holds a part of the gallery."),
        click.option("--address", metavar="HOST:PORT|auto",
                     help="Ray cluster to use.  [default: one is started on this machine, and ended]"),
        click.option("--workers", type=click.IntRange(min=1), metavar="N",
                     help="Workers; --threads are those of each.  [default: one a machine, or one a processor]"),
        click.option("--storage", metavar="FOLDER|URI",
                     help="Where workers find the matrix files, by name, such as s3://bucket/folder; keys for it go "
                          "into the environment of workers (docs/cluster.md).  [default: where they are here]"),
    ]  # fmt: skip
    return decorated(options, command)
