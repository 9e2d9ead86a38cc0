"""Schemas of JSON files: each is valid, and what the program writes is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from jsonschema.protocols import Validator
from referencing import Registry, Resource

import frbench
from frbench.commands.compare import command as compare_command
from frbench.commands.history import command as history_command
from frbench.commands.plan import command as plan_command
from frbench.reading.systems.compare import compare
from frbench.reading.systems.history import read
from frbench.reading.systems.times import compare_times
from tests.commands.test_compare import saved
from tests.commands.test_plan import FILE
from tests.reading.systems.test_compare import A, B, identified, older, people, verified
from tests.reading.systems.test_history import made
from tests.reading.systems.test_times import latency_of, load_of
from tests.runs.test_signing import run as signed_run

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in (Path(frbench.__file__).parent / "schema").glob("*.schema.json")
}
REGISTRY = Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in SCHEMAS.values())


def validator(name: str) -> Validator:
    """What judges files of this schema."""
    return jsonschema.Draft202012Validator(SCHEMAS[name], registry=REGISTRY)


def printed(command: Any, *arguments: object) -> dict[str, Any]:
    """The JSON of a command."""
    done = CliRunner().invoke(command, [*map(str, arguments), "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(done.output)
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_names_itself(name: str):
    """By the metaschema; every object in it is closed or says what else it holds."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"frbench.{name}.1"
    for each in objects(SCHEMAS[name]):
        if "properties" in each:
            assert each["additionalProperties"] is False


def objects(schema: Any) -> list[dict[str, Any]]:
    """Everything in a schema that is an object of its own."""
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    return own + [one for each in inside for one in objects(each)]


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Runs of every kind, and one that is none."""
    runs = {"v1": A, "v2": B, "older": older(), "search": identified(people(2))}
    runs |= {"timed": latency_of("timed"), "load": load_of("load", every=9), "sweep": load_of("s", saturation=600.0)}
    for number, (name, run) in enumerate(runs.items()):
        saved(made(run, f"2026-01-0{number + 1}"), tmp_path / name)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "results.json").write_text("{}")
    return tmp_path


def test_a_history_follows_its_schema(past: Path):
    """As printed, with each kind of run and what was left out."""
    found = printed(history_command, past)

    validator("history").validate(found)
    assert {each["kind"] for each in found["populations"]} == {"verify", "identify", "latency", "load"}
    assert [each["run"] for each in found["left_out"]] == ["none"]
    assert found == json.loads(json.dumps(read(past).to_json()))


def test_a_history_with_a_point_too_few_is_found_out(past: Path):
    """The schema is no rubber stamp: a missing reason and another name are errors."""
    found = printed(history_command, past)
    del found["populations"][0]["figures"][0]["points"][0]["reason"]
    assert not validator("history").is_valid(found)
    found = printed(history_command, past)
    found["populations"][0]["more"] = 1
    assert not validator("history").is_valid(found)


def test_several_comparisons_follow_their_schema(tmp_path: Path):
    """Of rates and of times, as printed; a comparison that is neither is found out."""
    rates = [saved(verified(people(s), at=0.6), tmp_path / str(s)) for s in (2, 3, 4)]
    times = [saved(latency_of(name), tmp_path / name) for name in ("old", "new", "newer")]
    for runs in (rates, times):
        found = printed(compare_command, *runs)
        validator("comparisons").validate(found)
        assert len(found["comparisons"]) == 2
        del found["comparisons"][1]["rows"][0]["reason"]
        assert not validator("comparisons").is_valid(found)


@pytest.mark.parametrize("of", [latency_of, load_of])
def test_times_follow_their_schema(of: Any):
    """Of three processes and of one, where nothing has an interval."""
    several = compare_times(of("a"), of("b"))
    alone = compare_times(*((of(n, 2.0) if of is latency_of else of(n, runs=1)) for n in "ab"))
    for found in (several, alone):
        validator("time-comparison").validate(found)
    assert any(row["low"] is not None for row in several["rows"])
    assert all(row["low"] is None and row["reason"] for row in alone["rows"])


def test_a_comparison_with_ratios_between_groups_follows_its_schema():
    """The ratios are required where there are any."""
    found = compare(A, B, thresholds=(0.6, 0.6))
    validator("comparison").validate(found)
    assert found["differentials"]
    del found["differentials"][0]["p"]
    assert not validator("comparison").is_valid(found)


def test_a_signature_follows_its_schema(tmp_path: Path):
    """As it lies in a signed run; a digest that is none is found out."""
    whole = json.loads((signed_run(tmp_path / "run") / "signature.json").read_text())
    validator("signature").validate(whole)
    whole["statement"]["files"][0]["sha256"] = "0"
    assert not validator("signature").is_valid(whole)


@pytest.mark.parametrize("probes", [(), ("--probes", "1e5")])
def test_a_plan_follows_its_schema(tmp_path: Path, probes: tuple[str, ...]):
    """With probes and without; what is undefined has a reason, and nothing else has one."""
    (tmp_path / "machines.toml").write_text(FILE)
    found = printed(plan_command, "--gallery-size", "3e9", *probes, "--hardware", tmp_path / "machines.toml")

    validator("plan").validate(found)
    assert found["price_reason"] is None
    assert not validator("plan").is_valid({**found, "settled_pairs_reason": None})
    assert not validator("plan").is_valid({**found, "price_reason": "a reason for a price"})
