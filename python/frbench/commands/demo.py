"""`frbench demo`: the example templates in, one report of everything out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import PATH, of_runs

DEMO_DATA = Path("examples/lfw")
# Subjects that are kept out of the gallery.
ENROLLED_NOT = 1000
# Three runs of three groups then have the 4,603 requests that p99.9 needs.
REQUESTS = 520


@click.command(name="demo")
@click.option("--data", type=PATH, default=DEMO_DATA, show_default=True, help="Example templates and labels.")
@click.option("--thresholds", callback=partial(numbers, float), metavar="T,T,...", help="Report at these, too.")
@click.option("--at", multiple=True, metavar="RATE=F[,F...]", help="Set thresholds at these.  [default: fmr=1e-3,1e-4]")
@of_runs("out/demo")
def command(**given: Any) -> None:
    """Verify, identify and time the example templates by sex, and write one report.

    The example is Labeled Faces in the Wild through a public network: 13,233 real templates of 5,749 people.
    """
    from frbench import api, files, page
    from frbench.commands.options.asking import said, say_where, shown
    from frbench.counting.identify import split_first_per_subject
    from frbench.runs.directory import earlier
    from frbench.templates import load
    from frbench.terminal.show import show

    out, asked = given["out"], said(given) | {"by": given["by"] or ("sex",), "report": False}
    data, at = given["data"], asked.pop("at", ())
    asked.pop("data", None)
    templates = load(data / "dlib-128.npy", labels=data / "labels.csv", threads=given["threads"])
    gallery, probes = split_first_per_subject(templates, ENROLLED_NOT)
    searched = {"gallery": gallery, "probes": probes}
    timed = {name: value for name, value in asked.items() if name != "thresholds"} | {"out": out / "latency"}
    runs = [
        api.verify(templates, **asked | {"at": at, "out": out / "verify"}),
        api.identify(**asked | searched | {"out": out / "identify"}),
        api.latency(**timed | searched | {"requests": REQUESTS, "engine": None}),
    ]
    runs += runs[-1].beside
    files.remove(earlier(out))
    if given["report"]:
        text = page.render(runs, title="Face matching by demographic group", subtitle="Labeled Faces in the Wild")
        files.write(out / "report.html", text)
    if given["as_json"]:
        shown(runs, given)
        return
    for run in () if given["quiet"] else runs:
        show(run.results)
        click.echo()
    if not given["quiet"]:
        say_where(out, with_report=given["report"])
