"""Work: the engine of a job is open for as long as it takes, and its steps are clocked."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from frbench.engines.cluster.runners import Runner
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.runs.options import Options
from frbench.runs.progress import TerminalProgress
from frbench.runs.work import Work
from frbench.templates import Source
from tests.worlds import worlds

QUIET = TerminalProgress(quiet=True)


class Lent(ReferenceEngine):
    """An engine that knows whether it was given back."""

    is_closed = False

    def close(self) -> None:
        """Given back."""
        self.is_closed = True


class Lender(Runner):
    """A runner that lends one engine of this process."""

    def open(self, *_: object) -> Lent:
        """A new one."""
        return Lent()


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt, InputError])
def test_the_engine_is_closed_however_the_work_ends(tmp_path: Path, ending: type[BaseException] | None):
    """Workers and rows on a device go with it; before, it is open."""
    with suppress(KeyboardInterrupt, InputError), Work.begun(Options(tmp_path, runner=Lender()), [], QUIET) as work:
        assert not work.engine.is_closed
        if ending is not None:
            raise ending

    assert work.engine.is_closed


def test_a_source_under_the_name_of_a_file_of_the_run_is_refused(tmp_path: Path):
    """Before an engine is opened: nothing is there yet that would have to be closed."""
    source = Source(str(tmp_path / "results.json"), "", 0)
    options = Options(tmp_path, engine="nowhere")

    with pytest.raises(InputError, match="this run replaces it"), Work.begun(options, [source], QUIET):
        pass


def test_steps_are_clocked_by_title_or_by_a_name_of_their_own(tmp_path: Path):
    """Two builds have a bar each, and one time in the manifest."""
    with Work.begun(Options(tmp_path, engine="reference"), [], QUIET) as work:
        for title, clocked in (("score", None), ("build 1/2", "build"), ("build 2/2", "build")):
            with work.step(title, 1, "rows", clocked=clocked) as advance:
                advance(1)
        made = work.manifest(worlds.two_groups().plan, more={})

    assert list(made["durations_s"]) == ["score", "build"]
