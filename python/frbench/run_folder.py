"""Run folder: the files of a run in its directory, written so that two runs are never mixed."""

from __future__ import annotations

from collections.abc import Mapping

from frbench import files, report
from frbench.files import SIGNATURE, SUBJECTS, TAIL
from frbench.run import Checkpoint
from frbench.run_options import Options


def write_run(
    section: report.Section,
    options: Options,
    *,
    title: str,
    checkpoint: Checkpoint | None = None,
    tables: Mapping[str, str] | None = None,
) -> None:
    """Writes the files of a run, `tables` by name among them, results last, and only then forgets the checkpoints.

    Files of an earlier run in the same directory go first, so that two runs are never mixed.
    """
    candidates = () if section.results["kind"] == "identify" else ("candidates.safetensors",)
    files.remove(options.out / name for name in ("results.json", "report.html", SIGNATURE, TAIL, SUBJECTS, *candidates))
    files.save_tally(section.tally, options.out / "tally.safetensors")
    files.write_json(options.out / "manifest.json", section.manifest)
    for name, text in (tables or {}).items():
        files.write(options.out / name, text)
    if options.with_report:
        files.write(options.out / "report.html", report.render([section], title=title))
    files.write_json(options.out / "results.json", section.results)
    if checkpoint:
        checkpoint.clear()
