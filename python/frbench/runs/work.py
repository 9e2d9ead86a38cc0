"""Opens the engine, the checkpoint and the progress bar of a run, and writes the run when it is finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from frbench.counting.sweep import Checkpoint, Progress
from frbench.engines import Engine
from frbench.finished_run import FinishedRun
from frbench.inputs.arrays import Advance
from frbench.plan import Plan
from frbench.reading.audits.leakage import Finding
from frbench.runs.directory import prepare_run, write_run
from frbench.runs.manifest import Clock, run_manifest
from frbench.runs.options import Options
from frbench.templates import Source


@dataclass(frozen=True, eq=False)
class Work:
    """A run that is being made from the files `sources`.

    progress : shows each step to a person. clock : what each took, for the manifest. checkpoint : what is counted so
    far.
    """

    options: Options
    sources: Sequence[Source]
    engine: Engine
    progress: Progress
    clock: Clock
    checkpoint: Checkpoint

    @classmethod
    @contextmanager
    def begun(cls, options: Options, sources: Sequence[Source], progress: Progress) -> Iterator[Self]:
        """A run whose directory is there, and whose engine is open for as long as the work inside takes.

        Raises
        ------
        OutputError : the directory cannot be made or written. InputError : a source stands there under the name of a
        file of the run, or an option does not fit the engine. EngineUnavailable : this machine lacks the engine.
        """
        prepare_run(options, [source.path for source in sources])
        clock, checkpoint = Clock(), options.checkpoint()
        with closing(options.open_engine(progress)) as engine:
            yield cls(options, sources, engine, progress, clock, checkpoint)

    @contextmanager
    def step(self, title: str, total: int, unit: str, *, clocked: str | None = None) -> Iterator[Advance]:
        """The time of a step that is shown and clocked; to be told every amount done of `total` units.

        clocked : its name in the manifest; None for its title.
        """
        with self.clock.time(clocked or title), self.progress.step(title, total, unit) as advance:
            yield advance

    def written(self, run: FinishedRun) -> FinishedRun:
        """`run`, whose files are in the directory now; what was kept for an interruption is gone."""
        return write_run(run, self.options.out, with_report=self.options.with_report, checkpoint=self.checkpoint)

    def manifest(
        self,
        plan: Plan,
        *,
        engine: Mapping[str, Any] | None = None,
        more: Mapping[str, Any],
        findings: Sequence[Finding] = (),
    ) -> dict[str, Any]:
        """What produced the run; see `run_manifest`. engine : what is said of it; None for what it says itself."""
        return run_manifest(
            self.options,
            plan,
            sources=self.sources,
            engine=self.engine.describe() if engine is None else engine,
            clock=self.clock,
            more=more,
            findings=findings,
        )
