"""Folder: what frbench wrote in a directory before, which goes when something else takes its place there.

A file is known by what stands in it, or by the manifest of its run, which lists it: a file of the same name that
somebody else put there stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from frbench import files
from frbench.errors import FormatError, InputError
from frbench.files import CHANGED, FOUND, SIGNATURE, SUBJECTS, TAIL

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
MANIFEST, TALLY = "manifest.json", "tally.safetensors"
# What a manifest may list, and of a release that listed nothing, all that it may have written.
LISTED = (MANIFEST, TALLY, FOUND, TAIL, SUBJECTS, CHANGED, "results.json", "report.html")
HISTOGRAMS = "latency.*.hgrm"


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
