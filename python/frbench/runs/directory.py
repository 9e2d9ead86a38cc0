"""Writes the files of a run into its directory, and removes what frbench wrote there before.

A file is known by what stands in it, or by the manifest of its run, which lists it: a file of the same name that
somebody else put there stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from frbench import files
from frbench.counting.sweep import Checkpoint
from frbench.errors import FormatError, InputError
from frbench.files import CHANGED, FOUND, SIGNATURE, SUBJECTS, TAIL
from frbench.finished_run import FinishedRun
from frbench.page import render
from frbench.runs import export
from frbench.runs.options import Options

# What stands within the first bytes of a file, whatever made it.
MARKS = {
    "results.json": b'"frbench.results"',
    "report.html": b" frbench</title>",
    "comparison.json": b'"schema": "frbench.',
    "ab.json": b'"schema": "frbench.ab/',
    "gate.json": b'"schema": "frbench.gate"',
    SIGNATURE: b'{"signature":"',
}
MARKED_BYTES = 4096
# What a gate writes beside gate.json.
VERDICTS = ("gate.xml", "gate.md")
MANIFEST = "manifest.json"
TALLY = "tally.safetensors"
# What a manifest may list, and of a release that listed nothing, all that it may have written.
LISTED = (MANIFEST, TALLY, FOUND, TAIL, SUBJECTS, CHANGED, "results.json", "report.html")
HISTOGRAMS = "latency.*.hgrm"
# What the page of one run is called, by its kind.
HEADINGS = {
    "verify": "1:1 verification",
    "identify": "1:N identification",
    "latency": "search latency",
    "load": "search under load",
    "ann": "1:N identification, exact and approximate",
    "precision": "1:N identification by how templates are stored",
}


def heading(run: FinishedRun) -> str:
    """What the page of a run is called."""
    return "1:1 verification by two systems" if "fusion" in run.results else HEADINGS[run.results["kind"]]


def prepare_run(options: Options, inputs: Iterable[str | Path]) -> None:
    """Makes the directory of a run that reads the files `inputs`.

    Raises
    ------
    OutputError : it cannot be made or written. InputError : an input stands there under the name of a file of the run.
    """
    files.prepare(options.out)
    refuse_to_replace([*map(Path, inputs), *filter(None, [options.train_subjects])], options.out)


def write_run(
    run: FinishedRun, out: Path, *, with_report: bool = True, checkpoint: Checkpoint | None = None
) -> FinishedRun:
    """The run, whose files are written to `out`, results last; only then the checkpoints are forgotten.

    What frbench wrote there before goes first, so that two runs are never mixed. The manifest lists what is written: it
    is written before all of that, and goes after all of it.
    """
    pages = {"report.html": render([run], title=heading(run))} if with_report else {}
    found = [] if run.candidates is None else [files.FOUND]
    names = ["manifest.json", "tally.safetensors", *found, *run.tables, *pages]
    _clear(out)
    files.write_json(out / "manifest.json", {**run.manifest, "files": [*names, "results.json"]})
    files.save_tally(run.tally, out / "tally.safetensors")
    if run.candidates is not None:
        files.save_candidates(run.candidates, out / files.FOUND)
    for name, text in {**run.tables, **pages}.items():
        files.write(out / name, text)
    files.write_json(out / "results.json", run.results)
    if checkpoint:
        checkpoint.clear()
    return run


def _clear(out: Path) -> None:
    """Removes what an earlier run wrote to `out`, and what was exported of it there; its list goes last."""
    files.remove(export.exported(out))
    with suppress(OSError):
        (out / export.FOLDER).rmdir()
    files.remove(sorted(earlier(out), key=lambda path: path.name == MANIFEST))


def earlier(directory: Path) -> list[Path]:
    """Files of an earlier run in `directory`, and what was made of it there; its progress is not among them."""
    marked = [directory / name for name, mark in MARKS.items() if _says(directory / name, mark)]
    verdicts = [directory / name for name in VERDICTS if directory / "gate.json" in marked]
    found = dict.fromkeys([*marked, *verdicts, *_listed(directory)])
    return [path for path in found if path.is_file()]


def holds_run(directory: Path) -> bool:
    """Whether there is a finished run."""
    return _says(directory / "results.json", MARKS["results.json"])


def refuse_run(directory: Path, what: str) -> None:
    """Refuses to write something else where a run is: it would be taken for a part of it.

    Raises
    ------
    InputError : there is one.
    """
    if holds_run(directory):
        raise InputError(f"{directory} holds a run, and {what} is no part of it; choose another --out")


def refuse_to_replace(inputs: Iterable[Path], directory: Path) -> None:
    """Refuses inputs that stand among the files of a run that is to be written to `directory`.

    Raises
    ------
    InputError : one of them would be replaced or removed.
    """
    before = {path.resolve() for path in earlier(directory)}
    for path in inputs:
        place = path.resolve()
        if place in before or (place.parent == directory.resolve() and _is_name(place.name)):
            raise InputError(
                f"{path}: this run replaces it; name it otherwise, such as reviewed{path.suffix}, or choose another "
                "--out"
            )


def _listed(directory: Path) -> Iterator[Path]:
    """What the manifest of a run lists."""
    try:
        manifest = files.read_json(directory / MANIFEST, schema="frbench.manifest")
    except FormatError:
        return
    names = manifest.get("files", LISTED)
    yield from (directory / name for name in names if _is_name(str(name)))


def _is_name(name: str) -> bool:
    return name in LISTED or (fnmatch(name, HISTOGRAMS) and Path(name).name == name)


def _says(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return mark in file.read(MARKED_BYTES)
    except OSError:
        return False
