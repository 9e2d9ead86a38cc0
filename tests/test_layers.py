"""Who may import whom: an ordered list of folders, read against the imports; and where unsafe code may stand."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "python" / "frbench"
RUST = ROOT / "rust"

# A module imports from its own folder, and from what is named before it; names of one line do not know each other.
ORDER = [
    "errors choices v1 _rust",
    "inputs",
    "nouns",
    "service",
    "engines",
    "counting reading",
    "shortcuts",
    "results",
    "terminal",
    "page",
    "runs",
    "planning speed",
    "gates",
    "api",
    "commands",
    "testing",
    "pytest_plugin",
    "cli",
    "__main__",
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names.split()}
# Modules of the package itself that are no stage: they know each other.
NOUNS = {"templates", "plan", "tally", "candidates", "estimate", "operating_point", "moments", "finished_run", "files"}


def name_of(path: Path) -> str:
    """The module of a file, without the package; "" for the package itself."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str) -> set[str]:
    """Modules of this package that a module imports, anywhere in its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "frbench":
                found.add(known(rest))
    return found - {module}


def known(name: str) -> str:
    """The module in which a dotted name stands."""
    while name and name not in MODULES and name != "_rust":
        name = name.rpartition(".")[0]
    return name


def part(module: str) -> str:
    """First name of a module."""
    return module.partition(".")[0]


def stage(module: str) -> str:
    """What a module is part of, as the order names it: its folder, itself, or the nouns."""
    return "nouns" if part(module) in NOUNS else part(module)


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_imports_go_down(module: str):
    """A module imports from its own folder, and from what is named before it."""
    for other in imports(module):
        is_own = stage(other) == stage(module)
        assert is_own or PLACE[stage(other)] < PLACE[stage(module)], f"{module} imports {other}"


def test_no_imports_go_in_circles():
    """Not within a folder either."""
    graph = {module: imports(module) for module in MODULES if module}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


def test_every_module_has_a_place():
    """The order names every folder and module of the package, each once, and nothing that is not there."""
    stages = {stage(module) for module in MODULES if module} - {"schema"}
    assert stages | {"_rust"} == set(PLACE)
    assert len(" ".join(ORDER).split()) == len(PLACE) <= 25


def test_a_newcomer_sees_few_names():
    """What `ls` shows of the package: at most 17 modules and 16 folders."""
    assert len(list(PACKAGE.glob("*.py"))) <= 17
    assert len([path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]) <= 16


def foreign_privates(source: str) -> list[str]:
    """Names with a leading underscore that a module imports from another one, or reaches in what is not its own.

    Its own are those of `self` and `cls`, and those that it gives a value or a body anywhere. Named tuples and `os`
    have public names that begin with an underscore, and `_rust` is the compiled module, which has a test of its own.
    """
    nodes = list(ast.walk(ast.parse(source)))
    own = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and is_me(n.value)}
    imported = [a.name for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names]
    imported += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    reached = [n.attr for n in nodes if isinstance(n, ast.Attribute) and not is_me(n.value) and n.attr not in own]
    parts = [part for name in imported for part in name.split(".")]
    return [name for name in [*parts, *reached] if is_private(name) and name not in PUBLIC_ALL_THE_SAME]


PUBLIC_ALL_THE_SAME = {"_rust", "_replace", "_asdict", "_exit"}
# Ray prints the end of a worker to standard output, and has no other way to keep it from that.
KNOWN_PRIVATES = {"engines.cluster.ray_cluster": ["_private"]}


def is_private(name: str) -> bool:
    """Whether a name is for its own module alone."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_me(node: ast.expr) -> bool:
    """Whether an expression is the object or class of the method that it stands in."""
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) != "v1"])
def test_a_module_keeps_to_public_names_of_others(module: str):
    """What others need is public, so that a private name can be changed by reading one file."""
    assert foreign_privates(MODULES[module].read_text()) == KNOWN_PRIVATES.get(module, [])


@pytest.mark.parametrize(
    "source",
    [
        "from frbench.runs.identify import _write",
        "import frbench._inner",
        "from frbench._inner import write",
        "from frbench import jobs\njobs._write(1)",
        "def f(other):\n    return other._kept",
        "class A:\n    def f(self):\n        return self._held._kept",
    ],
)
def test_a_private_name_of_another_module_is_found(source: str):
    """The reader of names sees each way to reach one."""
    assert foreign_privates(source)


def test_names_of_a_module_are_its_own():
    """What a module or class defines, it may reach in other objects, such as the other side of an addition."""
    source = (
        "class A:\n    def __init__(self, n):\n        self._n = n\n    def __add__(self, b):\n        return A(b._n)"
    )

    assert foreign_privates(source) == []


def test_the_table_is_read_against_real_imports():
    """The reader of imports finds the ones that are known to be there."""
    assert {"plan", "errors"} <= imports("tally")
    assert {"tally", "plan", "candidates", "errors"} <= imports("files")
    assert "_rust" in imports("engines.cpu")
    assert len(MODULES) > 20


KNOWS_THE_CORE = {"templates", "counting.gallery", "engines.cpu", "engines.cluster.shard", "runs.manifest"}
KNOWS_THE_CORE |= {"counting.load.generator", "counting.load.histograms", "planning.machine", "commands.serve"}


@pytest.mark.parametrize("module", MODULES)
def test_only_few_modules_know_the_compiled_one(module: str):
    """Kernels are behind engines, rows behind templates and the gallery, and the manifest lists what there is."""
    if "_rust" in imports(module):
        assert module in KNOWS_THE_CORE


def packages(module: str) -> set[str]:
    """First two names of everything that a module imports."""
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    return {".".join(name.split(".")[:2]) for name in names}


HAND_WRITTEN = [module for module in MODULES if part(module) != "v1"]


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_wire_knows_the_messages(module: str):
    """Everything else sees arrays and bytes, so that the contract can change in one place."""
    knows = packages(module) & {"frbench.v1", "google.protobuf", "google.rpc"}
    assert not knows or module == "service.wire"


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_the_client_knows_grpc(module: str):
    """Channels, codes and metadata become methods and sentences in one place."""
    assert not {name for name in packages(module) if name.startswith("grpc")} or module == "service.client"


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_adapters_know_approximate_indexes(module: str):
    """Everything else sees a `Family`, and a library that is not installed is missed by whoever asks for it alone."""
    knows = {name.partition(".")[0] for name in packages(module)} & {"hnswlib", "faiss", "usearch"}
    assert not knows or module.startswith("engines.ann.")


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_one_module_knows_ray(module: str):
    """Everything else sees workers that answer, and runs without Ray."""
    assert (
        not {name for name in packages(module) if name.split(".")[0] == "ray"}
        or module == "engines.cluster.ray_cluster"
    )


def test_wire_and_client_are_found_out():
    """The reader of packages finds those that are known to be imported."""
    assert {"frbench.v1", "google.protobuf"} <= packages("service.wire")
    assert "grpc" in packages("service.client")
    assert "hnswlib" in {name.partition(".")[0] for name in packages("engines.ann.hnsw")}
    assert "ray" in packages("engines.cluster.ray_cluster")


def code(path: Path) -> str:
    """Rust without comments and without literal texts."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)


def test_only_the_binding_knows_pyo3():
    """The core can be used without Python."""
    knows = {p.parent.name for p in RUST.rglob("*.rs") if re.search(r"\b(pyo3|numpy)\b", code(p))}
    assert knows == {"python"}


def test_unsafe_code_stands_in_dot_alone():
    """Elsewhere the compiler forbids it: the crate denies `unsafe_code`, and only `dot` allows it."""
    word = re.compile(r"\bunsafe\b")
    files = sorted(RUST.rglob("*.rs"))

    assert {p.parent.name for p in files if word.search(code(p))} == {"dot"}
    assert [p.relative_to(RUST).as_posix() for p in files if "allow(unsafe_code)" in code(p)] == ["dot/mod.rs"]
    assert re.search(r"(deny|forbid)\(unsafe_code\)|unsafe_code\s*=\s*\"(deny|forbid)\"", rust_settings())


def rust_settings() -> str:
    """Lints of the crate, in either place."""
    return (RUST / "lib.rs").read_text() + (ROOT / "Cargo.toml").read_text()


def test_unsafe_blocks_are_few_and_each_says_why():
    """At most eighty `unsafe`, a dozen an instruction set, and a reason within ten lines above each block."""
    n = 0
    for path in sorted((RUST / "dot").glob("*.rs")):
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            if re.search(r"\bunsafe\s*(\{|fn|impl)", line.partition("//")[0]):
                n += 1
                above = "\n".join(lines[max(0, i - 10) : i])
                assert re.search("safety", above, re.IGNORECASE), f"{path.name}:{i + 1}"

    assert 0 < n <= 80


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_a_module_says_first_what_one_gets_from_it(module: str):
    """At most two sentences before the details, and not its own name with a colon."""
    said = ast.get_docstring(ast.parse(MODULES[module].read_text())) or ""
    first = " ".join(said.partition("\n\n")[0].split())
    name = (module.rpartition(".")[2] or "frbench").replace("_", " ")

    assert first
    assert not first.lower().startswith(f"{name}: ")
    assert len(re.findall(r"[.!?](?= |$)", re.sub(r"`[^`]*`", "", first))) <= 2
