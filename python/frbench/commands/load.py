"""The command `frbench load`: how long a server takes to answer while requests keep coming."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from frbench.commands.options import amounts
from frbench.commands.options.amounts import groupings
from frbench.commands.options.asking import progress_of, say_where
from frbench.commands.options.common import PATH
from frbench.commands.options.servers import credentials_of, server_options
from frbench.counting.load.generator import GrpcGenerator, Server
from frbench.counting.load.objective import Objective
from frbench.counting.load.task import LoadTask
from frbench.errors import InputError
from frbench.runs.load import Asked, run_load
from frbench.runs.manifest import hardware
from frbench.runs.options import Options
from frbench.service.credentials import address_of, content
from frbench.service.wire import SEARCH
from frbench.templates import load
from frbench.terminal.show import show

SCENARIOS = ["single-stream", "multi-stream", "server", "offline"]
OF_TASKS = ("gallery", "scenario", "k", "batch", "mix", "seconds", "warm_up_s", "seed", "connections", "timeout_s")


def _objective(_: click.Context, __: click.Parameter, text: str | None) -> Objective | None:
    return None if text is None else Objective.parse(text)


TIME = partial(click.option, callback=amounts.seconds, show_default=True, metavar="TIME")


@click.command(name="load")
@click.argument("target")
@click.argument("templates", type=PATH)
@click.option("--gallery", required=True, metavar="NAME", help="Gallery at the server.")
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns.")
@click.option("--group", "groupings", multiple=True, callback=groupings, metavar="COLUMN[,COLUMN]",
              help="Time by this label of the probes, or by the intersection of several. Repeat for more.")  # fmt: skip
@click.option("--per-template", multiple=True, metavar="COLUMN", help="Label that may differ within a subject.")
@click.option("--id-column", default="template_id", show_default=True, help="Column of template ids.")
@click.option("--subject-column", default="subject_id", show_default=True, help="Column of subject ids.")
@click.option("--array", help="Array, tensor or column to take where a file holds several.")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="server", show_default=True,
              help="server is an open loop; the others send when something is answered.")  # fmt: skip
@click.option("--rate", type=float, metavar="R", help="Requests a second, at moments drawn beforehand.")
@click.option("--sweep", is_flag=True, help="Rates from 10% to 120% of what the server bears, measured first.")
@click.option("--slo", callback=_objective, metavar="pQ=TIME", help="Find the highest rate that meets it: p99=20ms.")
@click.option("--streams", type=int, default=8, show_default=True, help="Requests at a time of multi-stream.")
@TIME("--duration", "seconds", default="30s", help="Of each measurement, warm-up not included.")
@TIME("--warm-up", "warm_up_s", default="3s", help="Requests of this long are sent and not counted.")
@TIME("--timeout", "timeout_s", default="10s", help="Deadline of a request, from its moment on.")
@click.option("--runs", type=int, default=1, show_default=True, help="Measurements of each load; blocks of the tally.")
@click.option("--batch", type=int, default=1, show_default=True, help="Probes a request, of one group.")
@click.option("-k", "--candidates", "k", type=int, default=50, show_default=True, help="Length of candidate lists.")
@click.option("--mix", type=click.Choice(["natural", "balanced"]), default="natural", show_default=True,
              help="Groups as often as they are in TEMPLATES, or equally often.")  # fmt: skip
@click.option("--connections", type=int, default=4, show_default=True, help="Connections, used in turn.")
@click.option("--in-flight", type=int, default=10_000, show_default=True, help="Unanswered requests at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of moments and of the order of probes.")
@server_options
@click.option("--out", type=PATH, default=Path("out/load"), show_default=True,
              help="Run directory: results.json, manifest.json, tally, report.html, latency.*.hgrm.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables.")
@click.option("--no-report", is_flag=True, help="Do not write report.html.")
@click.option("--quiet", is_flag=True, help="No progress and no tables.")
def command(target: str, templates: Path, **given: Any) -> None:
    """Send searches with the probes in TEMPLATES to the server at TARGET, grpc://HOST:PORT or grpcs://HOST:PORT.

    Times are counted from the moment that was drawn for a request, so that a stall delays all that would have met it.
    A request that is refused or not answered counts as later than any other.

    \b
    frbench load grpc://127.0.0.1:7443 t.npy --gallery people --labels l.csv --group sex --rate 500
    frbench load grpc://127.0.0.1:7443 t.npy --gallery people --labels l.csv --sweep
    frbench load grpc://127.0.0.1:7443 t.npy --gallery people --labels l.csv --slo p99=20ms
    """
    server = _server(target, given)
    asked = Asked(given["rate"], given["sweep"], given["slo"], given["streams"])
    shared = {name: given[name] for name in ("out", "groupings", "per_template")}
    options = Options(**shared, with_report=not given["no_report"])
    task = _task(templates, options, server, given)
    generator = GrpcGenerator(server, SEARCH)
    section = run_load(task, generator, asked, options, runs=given["runs"], progress=progress_of(given))
    if given["as_json"]:
        click.echo(json.dumps(section.results))
    elif not given["quiet"]:
        show(section.results)
        say_where(options.out, with_report=options.with_report)


def _task(templates: Path, options: Options, server: Server, given: dict[str, Any]) -> LoadTask:
    names = ("labels", "id_column", "subject_column", "array")
    probes = load(templates, **{name: given[name] for name in names})
    if probes.subject_ids is None:
        probes = probes.with_subjects(probes.template_ids)
    probes.require_labels(options.columns, options.per_template)
    return LoadTask(
        **{name: given[name] for name in OF_TASKS},
        probes=probes,
        columns=options.columns,
        hardware=f"{hardware()}, server at {server.address}",
    )


def _server(target: str, given: dict[str, Any]) -> Server:
    address, is_encrypted = address_of(target)
    credentials = credentials_of(given)
    if is_encrypted != (credentials.ca is not None):
        raise InputError("expected grpcs:// together with --ca, the authority of the server's certificate")
    if credentials.has_files and not is_encrypted:
        raise InputError("--cert is shown over TLS alone; give grpcs:// and --ca")
    given_files = ((credentials.ca, "authority"), (credentials.certificate, "certificate"), (credentials.key, "key"))
    ca, certificate, key = (None if path is None else content(path, what) for path, what in given_files)
    return Server(
        address=address,
        ca=ca,
        identity=None if certificate is None or key is None else (certificate, key),
        token=credentials.token,
        **{name: given[name] for name in ("connections", "timeout_s", "in_flight")},
    )
