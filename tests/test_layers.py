"""Who may import whom: a table, read against the imports; and where unsafe code and pyo3 may stand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "frbench"
RUST = ROOT / "rust"

# Folders whose modules each have a layer of their own.
FOLDERS = ("audits", "cluster", "commands", "fusion", "gates", "groups", "recorded", "shortcuts", "sizes")
FOLDERS += ("speed", "systems", "traffic", "v1")

# A module imports only modules of a lower number.
LAYER = {
    **dict.fromkeys(FOLDERS, 0),
    "_rust": 0,
    "errors": 0,
    "choices": 0,
    "credentials": 1,
    "v1": 0,
    "texts": 0.5,
    "tables": 1,
    "readers": 1.5,
    "scratch": 1,
    "storage": 1,
    "recorded.column_stream": 1.5,
    "recorded.spool": 1,
    "recorded.kept_spool": 1.2,
    "recorded.repeats": 1.5,
    "recorded.order_statistics": 1,
    "recorded.score_axis": 1,
    "recorded.score_files": 2,
    "recorded.people": 2.5,
    "recorded.candidate_log": 3,
    "templates": 2,
    "plan": 3,
    "systems.population": 3.5,
    "operating_point": 4,
    "layout": 4,
    "pair_list": 4,
    "tally": 5,
    "candidates": 6,
    "sizes.hits": 6,
    "sizes.score_tail": 5,
    "sizes.gallery_models": 5,
    "sizes.gallery_parts": 7,
    "sizes.subsets": 11,
    "sizes.extrapolation": 11,
    "sizes.gallery_size": 12,
    "sizes.gallery_hits": 12,
    "moments": 6,
    "tail": 6,
    "audits.leakage": 6,
    "audits.failure_policies": 12,
    "audits.subject_view": 7,
    "audits.reconcile": 6,
    "exclusion": 7,
    "files": 7,
    "wire": 1,
    "client": 2,
    "engines": 8,
    "engines.reference": 9,
    "engines.cpu": 9,
    "engines.servers": 9,
    "engines.remote": 9.5,
    "engines.gpu.arrays": 9,
    "engines.gpu.kernels": 9,
    "engines.gpu.settling": 9.1,
    "engines.gpu.packing": 9.1,
    "engines.gpu.torch_arrays": 9.1,
    "engines.gpu.devices": 9.2,
    "engines.gpu.residence": 9.2,
    "engines.gpu.screening": 9.2,
    "engines.gpu.rectangle": 9.3,
    "engines.gpu.counting": 9.4,
    "engines.gpu.searching": 9.4,
    "engines.gpu.tailing": 9.4,
    "engines.gpu": 9.5,
    "engines.ann.index": 8.1,
    "engines.ann.hnsw": 8.2,
    "engines.ann.faiss_indexes": 8.2,
    "engines.ann.usearch_index": 8.2,
    "engines.ann": 8.3,
    "engines.local": 9.6,
    "cluster.parts": 1,
    "cluster.ending": 1,
    "cluster.ray_cluster": 8,
    "cluster.ray_workers": 8.1,
    "cluster.shard_index": 8.9,
    "cluster.shard": 9,
    "cluster.rows": 9.7,
    "cluster.indexes": 9.8,
    "cluster.runners": 10,
    "cluster.hardware": 1,
    "cluster.sizing": 2,
    "cluster.side_by_side": 1,
    "cluster.trial": 9.7,
    "cluster.measured": 11.5,
    "gallery": 10,
    "run": 10,
    "calibrate": 10,
    "verify": 11,
    "recorded.trial_digest": 4,
    "recorded.recording": 5,
    "engines.recorded": 9,
    "recorded.recorded_searches": 12,
    "identify": 11,
    "audits.per_subject": 12,
    "audits.audit_results": 12.6,
    "audits.audit_tables": 13,
    "latency": 11,
    "v1.templates_pb2": 0,
    "v1.search_pb2": 0.5,
    "v1.gallery_pb2": 0.5,
    "v1.server_pb2": 0.5,
    "v1.sweep_pb2": 0.5,
    "traffic.schedule": 1,
    "traffic.objective": 1,
    "traffic.generator": 2,
    "traffic.task": 12,
    "traffic.run": 13,
    "traffic.results": 14,
    "traffic.histograms": 14,
    "traffic.tables": 3.5,
    "traffic.job": 16,
    "commands.load": 16.5,
    "manifest": 11,
    "estimate": 10,
    "metrics": 11,
    "timing": 11,
    "jackknife": 11,
    "selectivity": 12,
    "curves": 12,
    "thresholds": 12,
    "cllr": 12.5,
    "modes": 12.5,
    "folds": 1,
    "differentials": 12.5,
    "joint": 12,
    "threshold_interval": 12,
    "power": 11,
    "commands.power": 12,
    "commands.groupings": 1,
    "commands.decorated": 1,
    "commands.options": 3,
    "commands.recorded_options": 2,
    "commands.runs": 16.6,
    "commands.verify": 16.7,
    "commands.identify": 16.7,
    "commands.latency": 16.7,
    "commands.demo": 16.7,
    "commands.info": 16,
    "speed.looks": 11,
    "speed.ratio": 1,
    "speed.rounds": 1,
    "speed.printed": 1,
    "speed.process": 2,
    "speed.sampled": 1,
    "speed.goal": 2,
    "speed.compare": 14.5,
    "speed.results": 15,
    "speed.tables": 15.5,
    "speed": 16,
    "commands.amounts": 1,
    "commands.ab": 16.5,
    "audit_log": 1,
    "commands.audit_log": 2,
    "commands.token": 1,
    "bootstrap": 11,
    "systems.paired": 11,
    "systems.replicates": 12,
    "systems.timed": 12,
    "systems.sides": 12.5,
    "systems.contrasts": 12.8,
    "systems.compare": 13,
    "systems.run_figures": 4,
    "systems.history": 13.5,
    "systems.time_figures": 13.1,
    "systems.times": 13.5,
    "commands.compare": 15,
    "commands.history": 16,
    "gates.claims": 4,
    "gates.bounds": 5,
    "gates.rules": 6,
    "gates.reading": 11,
    "gates.asked": 13.1,
    "gates.rates": 13.2,
    "gates.times": 14.5,
    "gates.benchmarks": 13.2,
    "gates.interleaved": 13.2,
    "gates.verdicts": 13.3,
    "gates.gate": 14.6,
    "gates.words": 13.4,
    "gates.output": 13.5,
    "commands.gate": 16,
    "counted": 16,
    "pytest_plugin": 16.5,
    "question": 11.4,
    "groups.indices": 11.6,
    "groups.group_rates": 12,
    "groups.null": 12.1,
    "groups.impostors": 12.1,
    "groups.cautions": 12.1,
    "groups.assessment": 12.2,
    "groups.across_groups": 12.3,
    "groups.group_thresholds": 12.5,
    "groups.group_results": 12.6,
    "reasons": 1,
    "figures": 2,
    "summary_results": 12.6,
    "mode_results": 12.6,
    "summary_tables": 13,
    "mode_tables": 13,
    "commands.transfer": 13,
    "groups.group_tables": 13,
    "results": 13,
    "summary": 14,
    "progress": 14,
    "report": 14,
    "machine": 15,
    "run_options": 11,
    "run_manifest": 12,
    "calibrated": 12,
    "run_folder": 14.5,
    "run_work": 14.6,
    "verification": 14.7,
    "jobs": 15,
    "demo": 16,
    "recorded.recorded_jobs": 16,
    "commands.recorded": 16.5,
    "commands.servers": 2,
    "commands.runner": 2,
    "commands.planned": 16,
    "commands.plan": 16.1,
    "commands.serve": 16,
    "export": 8,
    "folder": 8,
    "user_cache": 8,
    "commands.export": 16,
    "fusion.rule": 1,
    "fusion.kept_scores": 10.5,
    "fusion.twins": 5,
    "fusion.pair_scores": 11,
    "fusion.fitting": 12,
    "fusion.fusion_jobs": 16.5,
    "commands.fuse": 16.8,
    "commands.fused": 16.7,
    "shortcuts.words": 3.5,
    "shortcuts.tables": 4,
    "shortcuts.speed": 5,
    "shortcuts.shares": 5,
    "shortcuts.rounding": 10,
    "shortcuts.proposals": 12,
    "shortcuts.builds": 12.2,
    "shortcuts.indexing": 12.2,
    "shortcuts.recall": 12.5,
    "shortcuts.orders": 12.5,
    "shortcuts.reach": 12.5,
    "shortcuts.differences": 12.6,
    "shortcuts.results": 13.5,
    "shortcuts.exact": 15.5,
    "shortcuts.ann_job": 16,
    "shortcuts.precision_job": 16,
    "commands.ann": 16.8,
    "commands.precision": 16.8,
    "signing": 8,
    "rereading": 15,
    "commands.report": 16,
    "cli": 17,
    "__main__": 18,
    "": 19,
}
COUNTING = {"engines", "verify", "identify", "latency", "run", "calibrate", "gallery", "layout", "candidates"}
COUNTING |= {"exclusion", "tail", "recorded.recording", "recorded.recorded_searches", "sizes.gallery_hits"}
COUNTING |= {"audits.per_subject", "wire", "client"}
COUNTING |= {"fusion.rule", "fusion.twins", "fusion.kept_scores", "fusion.pair_scores", "fusion.fitting"}
COUNTING |= {"traffic.schedule", "traffic.generator", "traffic.task", "traffic.run"}
COUNTING |= {"shortcuts.builds", "shortcuts.proposals", "shortcuts.recall", "shortcuts.orders", "shortcuts.reach"}
COUNTING |= {"cluster.parts", "cluster.ray_cluster", "cluster.ray_workers", "cluster.shard", "cluster.rows"}
COUNTING |= {"cluster.runners", "cluster.side_by_side", "cluster.trial", "cluster.measured"}
COUNTING |= {"cluster.shard_index", "cluster.indexes"}
READING = {
    "estimate",
    "jackknife",
    "joint",
    "power",
    "bootstrap",
    "threshold_interval",
    "metrics",
    "timing",
    "selectivity",
}
READING |= {
    "curves",
    "thresholds",
    "cllr",
    "modes",
    "differentials",
    "results",
    "report",
    "summary",
    "reasons",
    "groups",
}
READING |= {"summary_results", "mode_results", "summary_tables", "mode_tables", "audits.failure_policies"}
READING |= {"audits.audit_results", "audits.audit_tables", "sizes.subsets", "sizes.extrapolation", "sizes.gallery_size"}
READING |= {"question", "traffic.tables", "gates"}
READING |= {"systems.compare", "systems.paired", "systems.replicates", "systems.history", "systems.run_figures"}
READING |= {"systems.times", "systems.timed", "systems.time_figures", "systems.sides", "systems.contrasts"}
READING |= {"shortcuts.differences", "shortcuts.tables", "shortcuts.words"}


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


def layer(module: str) -> int:
    """Number of a module; those of a folder without an entry have the folder's."""
    return LAYER[module] if module in LAYER else LAYER[module.partition(".")[0]]


def part(module: str) -> str:
    """First name of a module."""
    return module.partition(".")[0]


def is_in(module: str, names: set[str]) -> bool:
    """Whether the module or its folder is among these."""
    return module in names or part(module) in names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_downward(module: str):
    """Every import goes to a lower layer, or stays inside one folder."""
    for other in imports(module):
        is_same_folder = part(module) == part(other) in {"report", "v1"}
        assert is_same_folder or layer(other) < layer(module), f"{module} imports {other}"


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
KNOWN_PRIVATES = {"cluster.ray_cluster": ["_private"]}


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
        "from frbench.jobs import _write",
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


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, COUNTING)])
def test_counting_never_imports_reading(module: str):
    """Counting ends in a tally and knows nothing of what is made of it."""
    assert not {other for other in imports(module) if is_in(other, READING)}


@pytest.mark.parametrize("module", [m for m in MODULES if is_in(m, READING)])
def test_reading_never_imports_counting(module: str):
    """Reading begins with a tally and knows nothing of how it came about."""
    assert not {other for other in imports(module) if is_in(other, COUNTING)}


def test_every_module_has_a_layer():
    """A new module is given its place before it is used."""
    assert [m for m in MODULES if m not in LAYER and part(m) not in {"report", "v1"}] == []


def test_the_table_is_read_against_real_imports():
    """The reader of imports finds the ones that are known to be there."""
    assert {"plan", "errors"} <= imports("tally")
    assert {"tally", "plan", "candidates", "errors"} <= imports("files")
    assert "_rust" in imports("engines.cpu")
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES)
def test_only_few_modules_know_the_compiled_one(module: str):
    """Kernels are behind engines, rows behind templates and the gallery, and the manifest lists what there is."""
    if "_rust" in imports(module):
        known = {"templates", "gallery", "engines.cpu", "manifest", "machine", "demo", "commands.serve"}
        assert module in known | {"traffic.generator", "traffic.histograms", "cluster.shard"}


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
    assert not knows or module == "wire"


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_the_client_knows_grpc(module: str):
    """Channels, codes and metadata become methods and sentences in one place."""
    assert not {name for name in packages(module) if name.startswith("grpc")} or module == "client"


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_adapters_know_approximate_indexes(module: str):
    """Everything else sees a `Family`, and a library that is not installed is missed by whoever asks for it alone."""
    knows = {name.partition(".")[0] for name in packages(module)} & {"hnswlib", "faiss", "usearch"}
    assert not knows or module.startswith("engines.ann.")


@pytest.mark.parametrize("module", HAND_WRITTEN)
def test_only_one_module_knows_ray(module: str):
    """Everything else sees workers that answer, and runs without Ray."""
    assert not {name for name in packages(module) if name.split(".")[0] == "ray"} or module == "cluster.ray_cluster"


def test_wire_and_client_are_found_out():
    """The reader of packages finds those that are known to be imported."""
    assert {"frbench.v1", "google.protobuf"} <= packages("wire")
    assert "grpc" in packages("client")
    assert "hnswlib" in {name.partition(".")[0] for name in packages("engines.ann.hnsw")}
    assert "ray" in packages("cluster.ray_cluster")


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
