"""Types of results.json hold the keys of its schema, and nothing else."""

from __future__ import annotations

import copy
import types as python_types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from frbench.results import types
from tests.results.test_schemas import SCHEMAS

SCHEMA = SCHEMAS["results"]
KINDS = dict(zip((each["$ref"].rsplit("/")[-1] for each in SCHEMA["oneOf"]), get_args(types.Results), strict=True))
# Keys that every run has today, and that runs of older versions lack.
OLDER = {(types.Verify, "moments"), (types.Timing, "probes"), (types.Ratio, "metric")}
SCALARS = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}


def differences(node: Any, of: Any, path: str, defs: Any) -> Iterator[str]:
    """Where a type says other than a node of the schema, one line each."""
    node, found = resolved(node, defs), [bare(each) for each in plain(bare(of))]
    choices = [resolved(each, defs) for each in alternatives(node)]
    if any(each.get("type") == "null" for each in choices) != (type(None) in found):
        yield f"{path}: null in one of both alone"
    (value,), (own,) = ([c for c in choices if c.get("type") != "null"], [f for f in found if f is not type(None)])
    yield from of_value(value, own, path, defs)


def of_value(node: Any, own: Any, path: str, defs: Any) -> Iterator[str]:
    """The same of what is not null."""
    if "const" in node or "enum" in node:
        said = set(node.get("enum", [node.get("const")]))
        if get_origin(own) is not Literal or set(get_args(own)) != said:
            yield f"{path}: {own} is not one of {sorted(said)}"
    elif node["type"] == "object" and "properties" in node:
        yield from of_object(node, own, path, defs)
    elif node["type"] == "object":
        is_named = get_origin(own) is dict and bare(get_args(own)[0]) is str
        yield from (
            differences(node["additionalProperties"], get_args(own)[1], f"{path}.*", defs)
            if is_named
            else [f"{path}: {own} is no dict of names"]
        )
    elif node["type"] == "array":
        yield from of_array(node, own, path, defs)
    elif own is not SCALARS[node["type"]]:
        yield f"{path}: {own} is not {node['type']}"


def of_array(node: Any, own: Any, path: str, defs: Any) -> Iterator[str]:
    """The same of a list, or of a tuple of so many."""
    items = node.get("prefixItems", [node.get("items")])
    if get_origin(own) is not (tuple if "prefixItems" in node else list) or len(get_args(own)) != len(items):
        yield f"{path}: {own} is no such array"
        return
    for i, (item, each) in enumerate(zip(items, get_args(own), strict=True)):
        yield from differences(item, each, f"{path}[{i}]", defs)


def of_object(node: Any, own: Any, path: str, defs: Any) -> Iterator[str]:
    """The same of an object: its keys, which of them are required, and each value."""
    if not is_typeddict(own):
        yield f"{path}: {own} is no TypedDict"
        return
    hints = get_type_hints(own, include_extras=True)
    yield from (f"{path}.{key}: in one of both alone" for key in sorted(set(hints) ^ set(node["properties"])))
    for key in sorted(set(hints) & set(node["properties"])):
        is_optional = get_origin(hints[key]) is NotRequired
        if is_optional != (key not in node["required"] or (own, key) in OLDER):
            yield f"{path}.{key}: required in one of both alone"
        value = get_args(hints[key])[0] if is_optional else hints[key]
        yield from differences(node["properties"][key], value, f"{path}.{key}", defs)


def resolved(node: Any, defs: Any) -> Any:
    """A node, or what it refers to."""
    return defs[node["$ref"].rsplit("/")[-1]] if "$ref" in node else node


def alternatives(node: Any) -> list[Any]:
    """What a node allows: each type of several, each of several nodes; of an object itself."""
    if isinstance(node.get("type"), list):
        return [{**node, "type": name} for name in node["type"]]
    return [node] if "type" in node else node.get("oneOf") or node.get("anyOf") or [node]


def bare(of: Any) -> Any:
    """A type without what is noted beside it."""
    return get_args(of)[0] if get_origin(of) is Annotated else of


def plain(of: Any) -> list[Any]:
    """The members of a union; of anything else itself."""
    return list(get_args(of)) if get_origin(of) in (Union, python_types.UnionType) else [of]


def found(schema: Any, kind: str) -> list[str]:
    """Differences of one kind of run."""
    return list(differences({"$ref": f"#/$defs/{kind}"}, KINDS[kind], kind, schema["$defs"]))


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_those_of_the_schema(kind: str):
    """Every key of every table: its name, whether it must be there, and the type of its value."""
    assert found(SCHEMA, kind) == []


def test_every_table_of_the_schema_is_looked_at():
    """No definition of the schema is reached by no kind of run."""
    seen: set[str] = set()

    class Seen(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            seen.add(name)
            return super().__getitem__(name)

    for kind in KINDS:
        list(differences({"$ref": f"#/$defs/{kind}"}, KINDS[kind], kind, Seen(SCHEMA["$defs"])))
    assert seen == set(SCHEMA["$defs"])


CHANGES: dict[str, Callable[[Any], Any]] = {
    "verify.cells[0].more: in one of both": lambda d: d["cell"]["properties"].update(more={"type": "integer"}),
    "verify.cells[0].trials: in one of both": lambda d: d["cell"]["properties"].pop("trials"),
    "verify.moments.checksum: required": lambda d: d["moments"]["required"].remove("checksum"),
    "verify.folds: required": lambda d: d["verify"]["required"].append("folds"),
    "verify.plan: <class 'str'> is not integer": lambda d: d["verify"]["properties"]["plan"].update(type="integer"),
    "verify.estimates[0].value: null": lambda d: d["verify_estimate"]["properties"]["value"].update(type="number"),
    "verify.failed_policy: ": lambda d: d["verify"]["properties"]["failed_policy"]["enum"].append("ignore"),
    "verify.thresholds: ": lambda d: d["verify"]["properties"]["thresholds"].update(type="string"),
    "verify.failures.policies.*: ": lambda d: d["failures"]["properties"]["policies"].update(
        additionalProperties={"type": "integer"}
    ),
    "verify.subjects.rows[0].false_matches.listed[0]: ": lambda d: d["concentration"]["properties"]["listed"][
        "items"
    ].pop("prefixItems"),
}


@pytest.mark.parametrize("line", CHANGES)
def test_a_change_of_the_schema_alone_is_found(line: str):
    """A key more or less, one that is now optional or required, and another type, value or item."""
    changed = copy.deepcopy(SCHEMA)
    CHANGES[line](changed["$defs"])

    assert [each for each in found(changed, "verify") if each.startswith(line)]


def test_a_key_of_the_types_alone_is_found():
    """The other way round, too."""

    class More(types.Verify):
        more: int

    lines = list(differences({"$ref": "#/$defs/verify"}, More, "verify", SCHEMA["$defs"]))
    assert "verify.more: in one of both alone" in lines


def test_what_runs_of_older_versions_lack_is_in_the_schema():
    """The list of exceptions names keys that are required today, and that the types do not require."""
    for of, key in OLDER:
        assert get_origin(get_type_hints(of, include_extras=True)[key]) is NotRequired
