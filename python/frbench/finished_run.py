"""A finished run: what it found, what produced it, and its counts. Reports, comparisons and gates read nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from frbench import files
from frbench.candidates import Candidates
from frbench.errors import FormatError
from frbench.tally import Tally


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run of any kind.

    Parameters
    ----------
    results : what `results.json` holds.
    manifest : what `manifest.json` holds.
    name : how messages call it, such as its directory.
    tables : texts of the files that were asked for beside the others, by name; a run that was read has none.
    candidates : of a search; None of other kinds, and of a run that was read.
    """

    results: Mapping[str, Any]
    manifest: dict[str, Any]
    tally: Tally
    name: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    candidates: Candidates | None = None

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The run that was written to `directory`.

        Raises
        ------
        FormatError : a file is missing, damaged, or of another run.
        """
        results = files.read_json(directory / "results.json", schema="frbench.results")
        manifest = files.read_json(directory / "manifest.json", schema="frbench.manifest")
        tally = files.load_tally(directory / "tally.safetensors")
        lacking = [entry for entry in ("kind", "plan", "groupings") if entry not in results]
        lacking += [entry for entry in ("plan",) if entry not in manifest]
        if lacking:
            raise FormatError(
                f"{directory} lacks {', '.join(map(repr, lacking))}, expected a finished run; count it again"
            )
        if not results["plan"] == manifest["plan"] == tally.plan.digest:
            raise FormatError(f"{directory} holds files of several runs; count it again")
        return cls(results, manifest, tally, str(directory))

    @property
    def points(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Operating points by target and population."""
        return {(point["at"], point["population"]): point for point in self.results["operating_points"]}
