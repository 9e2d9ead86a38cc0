"""Run folder: the files of a run in its directory, written so that two runs are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from frbench import files
from frbench.candidates import Candidates
from frbench.counting.sweep import Checkpoint
from frbench.folder import MANIFEST, earlier, refuse_to_replace
from frbench.page import Section, render
from frbench.runs import export
from frbench.runs.options import Options


def prepare_run(options: Options, inputs: Iterable[str | Path]) -> None:
    """Makes the directory of a run that reads the files `inputs`.

    Raises
    ------
    OutputError : it cannot be made or written. InputError : an input stands there under the name of a file of the run.
    """
    files.prepare(options.out)
    refuse_to_replace([*map(Path, inputs), *filter(None, [options.train_subjects])], options.out)


def write_run(
    section: Section,
    options: Options,
    *,
    title: str,
    checkpoint: Checkpoint | None = None,
    tables: Mapping[str, str] | None = None,
    candidates: Candidates | None = None,
) -> None:
    """Writes the files of a run, `tables` by name among them, results last, and only then forgets the checkpoints.

    What frbench wrote there before goes first, so that two runs are never mixed. The manifest lists what is written: it
    is written before all of that, and goes after all of it.
    """
    tables, out = tables or {}, options.out
    pages = {"report.html": render([section], title=title)} if options.with_report else {}
    names = ["manifest.json", "tally.safetensors", *([] if candidates is None else [files.FOUND]), *tables, *pages]
    _clear(out)
    files.write_json(out / "manifest.json", {**section.manifest, "files": [*names, "results.json"]})
    files.save_tally(section.tally, out / "tally.safetensors")
    if candidates is not None:
        files.save_candidates(candidates, out / files.FOUND)
    for name, text in {**tables, **pages}.items():
        files.write(out / name, text)
    files.write_json(out / "results.json", section.results)
    if checkpoint:
        checkpoint.clear()


def _clear(out: Path) -> None:
    """Removes what an earlier run wrote to `out`, and what was exported of it there; its list goes last."""
    files.remove(export.exported(out))
    with suppress(OSError):
        (out / export.FOLDER).rmdir()
    files.remove(sorted(earlier(out), key=lambda path: path.name == MANIFEST))
