"""What modules of `rust/serve` import: no circle among them, and folders in one order."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUST = ROOT / "rust"
# A folder of `rust/serve`, or a file beside them, uses itself and what is named before it.
ORDER = ["refusal", "config", "telling", "galleries", "store", "door", "calls", "proto", "queue", "handlers", "server"]


def module_of(path: Path) -> str:
    """The module of a file of the crate, such as `serve::calls::desk`; "" for the crate itself."""
    parts = list(path.relative_to(RUST).with_suffix("").parts)
    return "::".join(parts[:-1] if parts[-1] in {"mod", "lib"} else parts)


FILES = {module_of(path): path for path in sorted(RUST.rglob("*.rs"))}


def code(source: str) -> str:
    """Rust without comments, places that may see a name, and items for tests alone, as rustfmt lays them out."""
    source = re.sub(r"^#\[cfg\(test\)\]\n(?:[^\n]*;$|.*?^\}$)", "", source, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"//.*|pub\(in [\w:]+\)", "", source)


def only_for_tests() -> set[str]:
    """Files that are compiled for tests alone, with those in their folders."""
    declared = {
        f"{module}::{name}".removeprefix("::")
        for module, path in FILES.items()
        for name in re.findall(r"#\[cfg\(test\)\]\n(?:pub[^\n]* )?mod (\w+);", path.read_text())
    }
    return {module for module in FILES if any(is_within(module, root) for root in declared)}


def is_within(module: str, folder: str) -> bool:
    """Whether a module is `folder`, or stands in it."""
    return module == folder or module.startswith(f"{folder}::")


def paths(text: str) -> Iterator[list[str]]:
    """Names of each path with `::` in a text; a path with braces is as many paths as there are names in them."""
    for path in re.finditer(r"(?<![\w:])\w+(?:::\w+)*(?:::(?=\{))?", text):
        names = path[0].removesuffix("::").split("::")
        if path[0].endswith("::"):
            inner = braced(text[path.end() :])
            yield from (names + rest for rest in each(inner))
        elif len(names) > 1:
            yield names


def each(inner: str) -> Iterator[list[str]]:
    """Paths between braces, of which some have braces of their own."""
    for item in filter(str.strip, items(inner)):
        names = item.partition("::{")[0].strip().split("::")
        if "::{" in item:
            yield from (names + rest for rest in each(braced(item[item.index("{") :])))
        else:
            yield names


def items(inner: str) -> list[str]:
    """Text between commas, of which those inside braces are no end."""
    found, depth = [""], 0
    for letter in inner:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def braced(text: str) -> str:
    """What stands between the brace that `text` begins with and the one that ends it."""
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[1:i]
    raise AssertionError(f"no brace ends {text[:60]!r}")


def full(module: str, names: list[str], modules: set[str]) -> list[str] | None:
    """A path from the crate on; None if it begins in none of its modules."""
    here = module.split("::") if module else []
    if names[0] == "crate":
        return names[1:]
    if names[0] in {"self", "super"}:
        ups = next((i for i, name in enumerate(names) if name not in {"self", "super"}), len(names))
        return here[: len(here) - names[:ups].count("super")] + names[ups:]
    return here + names if "::".join([*here, names[0]]) in modules else None


def imports(module: str, source: str, modules: set[str]) -> set[str]:
    """Modules of the crate that a module names in its code."""
    found = set()
    for names in paths(code(source)):
        there = full(module, names, modules)
        while there and "::".join(there) not in modules:
            there = there[:-1]
        if there:
            found.add("::".join(there))
    return found - {module}


def real_imports() -> dict[str, set[str]]:
    """What every file imports, those for tests alone left out; messages are made by `build.rs`, which names a codec."""
    alone, modules = only_for_tests(), set(FILES)
    found = {m: imports(m, path.read_text(), modules) for m, path in FILES.items() if m not in alone}
    found["serve::proto"] |= imports("serve::proto", (ROOT / "build.rs").read_text(), modules)
    return found


IMPORTS = real_imports()
SERVE = {module: found for module, found in IMPORTS.items() if is_within(module, "serve") and module != "serve"}


def room(module: str) -> str:
    """Folder of `rust/serve` in which a module stands, or its file."""
    return module.split("::")[1]


def test_modules_of_the_service_form_no_circle():
    """Each can be read after what it imports."""
    try:
        TopologicalSorter(SERVE).prepare()
    except CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


def test_every_room_of_the_service_has_a_place():
    """A new folder is given its place before it is used, and a place is of a folder that is there."""
    assert {room(module) for module in SERVE} == set(ORDER)


@pytest.mark.parametrize("module", SERVE)
def test_a_room_uses_what_is_named_before_it(module: str):
    """A folder imports itself and the folders before it."""
    before = ORDER[: ORDER.index(room(module)) + 1]

    assert [other for other in SERVE[module] if is_within(other, "serve") and room(other) not in before] == []


@pytest.mark.parametrize("module", [m for m in IMPORTS if not is_within(m, "serve") and not is_within(m, "python")])
def test_the_core_does_not_know_the_service(module: str):
    """Scores are counted and searched without a server; only the binding starts one."""
    assert [other for other in IMPORTS[module] if is_within(other, "serve")] == []


def test_the_reader_finds_imports_that_are_known():
    """The four that were circles, one half each, and ways across folders."""
    assert {"serve::config", "serve::refusal"} <= IMPORTS["serve::calls::access"]
    assert "serve::calls::desk" in IMPORTS["serve::calls::call"]
    assert "serve::calls::call" in IMPORTS["serve::calls"]
    assert {"serve::galleries::admission", "serve::galleries::removal", "work"} <= IMPORTS["serve::galleries::gallery"]
    assert "serve::galleries::whole" in IMPORTS["serve::galleries::snapshot"]
    assert "serve::calls::codec" in IMPORTS["serve::proto"]
    assert "serve::store::recovery" in IMPORTS["serve::server"]
    assert "serve::server" in IMPORTS["python::server"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("use crate::rows::Rows;", {"rows"}),
        ("use crate::work;", {"work"}),
        ("use crate::serve::calls::{\n    desk::Desk,\n    methods::{self, Method},\n};", {"desk", "methods"}),
        (
            "use crate::serve::{calls::{desk::Desk, methods::{self, Method}}, config::Config};",
            {"desk", "methods", "config"},
        ),
        ("use super::desk::Desk;", {"desk"}),
        ("use super::super::config::Config;", {"config"}),
        ("use super::{access, call::Call};", {"access", "call"}),
        ("fn f() { crate::serve::calls::desk::open() }", {"desk"}),
        ("fn f(a: &super::access::Access) {}", {"access"}),
        ("pub use crate::serve::config::Limits as Most;", {"config"}),
        ("use std::io;", set()),
        ("pub(in crate::serve) fn f() {}", set()),
        ("// crate::serve::config is not used", set()),
        ("#[cfg(test)]\nmod tests {\n    use crate::work;\n}", set()),
        ("#[cfg(test)]\nuse crate::work;\nuse crate::rows::Rows;", {"rows"}),
    ],
)
def test_each_way_to_name_a_module_is_found(line: str, found: set[str]):
    """Lists, paths in expressions and paths from here; not comments, and not what tests alone import."""
    names = imports("serve::calls::call_body", line, set(FILES))

    assert {name.rpartition("::")[2] for name in names} == found


def test_a_folder_names_what_is_in_it():
    """The file of a folder reaches its modules without saying where they are."""
    assert imports("serve::calls", "use desk::Desk;", set(FILES)) == {"serve::calls::desk"}
    assert imports("serve::calls", "use self::desk::Desk;", set(FILES)) == {"serve::calls::desk"}


def test_files_for_tests_alone_are_known():
    """They may import anything, so that they are not held to the order."""
    assert {"serve::tests", "serve::tests::world", "load::scripted", "bounds_tests"} <= only_for_tests()
    assert not {module for module in only_for_tests() if module.endswith("desk")}
