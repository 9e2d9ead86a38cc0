"""Writes a gate as a table on a terminal, as JSON, as JUnit XML and as Markdown for a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench.estimate import LEVEL
from frbench.gates.verdicts import Gate, Row
from frbench.gates.words import HEADER, headline, line
from frbench.terminal import figures

SCHEMA = "frbench.gate"
VERSION = 1
PIPE_WIDTH = 240
STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
# XML 1.0 has no way to write these, escaped or not.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def show(gate: Gate, console: Console | None = None) -> None:
    """Prints a gate as a table, those rows first that keep it from passing."""
    figures.terminal(console, pipe_width=PIPE_WIDTH).print(Group(*_parts(gate)))


def _parts(gate: Gate) -> Iterator[RenderableType]:
    against = f", baseline {gate.baseline}" if gate.baseline else ""
    yield Text(f"run {gate.run}{against}, rules {gate.rules.name}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(HEADER):
        table.add_column(column, no_wrap=i in (0, 2, 3), justify="right" if 2 <= i <= 3 else "left")
    for row in by_urgency(gate):
        cells = line(row)
        table.add_row(Text(cells[0], style=STYLES[row.outcome]), *map(Text, cells[1:]))
    yield table
    for note in (*gate.notes, gate.family):
        yield Text(f"note: {note}")
    yield Text(headline(gate), style=STYLES[gate.outcome])


def by_urgency(gate: Gate) -> list[Row]:
    """Rows that fail, that block, that are open, and the others, each in their order."""
    return sorted(gate.rows, key=lambda row: (row.outcome != "fail", not row.blocks, row.outcome == "pass"))


def to_json(gate: Gate) -> dict[str, Any]:
    """What `gate.json` says; its schema is `frbench/schema/gate.schema.json`."""
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "outcome": gate.outcome,
        "exit_code": gate.exit_code,
        "run": gate.run,
        "baseline": gate.baseline or None,
        "rules": gate.rules.name,
        "level": LEVEL,
        "false_failures": gate.rules.false_failures,
        "family": gate.family,
        "tested": gate.n_tested,
        "rows": [_row(row) for row in gate.rows],
        "notes": list(gate.notes),
    }


def _row(row: Row) -> dict[str, Any]:
    reading, settled = row.reading, row.settled_by
    return {
        "rule": row.rule.number,
        "name": row.name,
        "kind": row.rule.kind,
        "doubt": row.rule.doubt,
        "outcome": row.outcome,
        "blocks": row.blocks,
        "lower": row.bounds.lower,
        "upper": row.bounds.upper,
        "relative": row.bounds.are_relative,
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "who": reading.who or None,
        "p": row.p,
        "p_holm": row.p_holm,
        "fails_from": row.fails_from,
        "counts": [vars(count) for count in reading.counts],
        "size": None if reading.size is None else vars(reading.size),
        "settled_by": None if settled is None else vars(settled),
        "method": reading.method,
        "reason": row.reason,
    }


def to_junit(gate: Gate) -> str:
    """A test suite with a test for each row: a failure, an error where an open row blocks, skipped where it warns."""
    n = dict.fromkeys(("failure", "error", "skipped"), 0)
    suite = ElementTree.Element("testsuite", name="frbench gate", tests=str(len(gate.rows)))
    for row in gate.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=f"gate.rule {row.rule.number}", name=_xml(row.name))
        tag = _tag(row)
        if tag:
            n[tag] += 1
            ElementTree.SubElement(case, tag, message=_xml(line(row).sentence))
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(line(row).sentence)
    suite.attrib |= {"failures": str(n["failure"]), "errors": str(n["error"]), "skipped": str(n["skipped"])}
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _tag(row: Row) -> str:
    if row.outcome == "fail":
        return "failure"
    if row.outcome == "pass" or row.rule.doubt == "pass":
        return ""
    return "error" if row.blocks else "skipped"


def _xml(text: str) -> str:
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def to_markdown(gate: Gate) -> str:
    """The table for a job summary."""
    against = f", baseline `{_code(gate.baseline)}`" if gate.baseline else ""
    lines = [
        f"### {headline(gate)}",
        "",
        f"run `{_code(gate.run)}`{against}, rules `{_code(gate.rules.name)}`",
        "",
        f"| {' | '.join(HEADER)} |",
        f"|{'---|' * len(HEADER)}",
    ]
    lines += [f"| {' | '.join(map(_cell, line(row)))} |" for row in by_urgency(gate)]
    lines += ["", *(f"{_cell(note)}  " for note in (*gate.notes, gate.family)), ""]
    return "\n".join(lines)


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")


def _cell(text: str) -> str:
    """A label may hold anything; a cell of a table must stay one, and its text must stay text."""
    return re.sub(r"([\\`*_|<>\[\]&])", r"\\\1", text).replace("\n", " ").replace("\r", " ")
