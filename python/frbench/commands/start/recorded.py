"""What `verify` and `identify` start on what other programs recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from frbench.counting.calibrate import parse_targets
from frbench.counting.recorded.candidate_log import CandidateFile, Protocol
from frbench.counting.recorded.people import read_people
from frbench.counting.recorded.score_files import Recorded
from frbench.counting.sweep import Progress
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.plan import DEFAULT_BLOCKS
from frbench.runs import recorded
from frbench.runs.recorded import RecordedOptions
from frbench.templates import Templates

OF_RECORDINGS = ("format_name", "columns", "is_distance", "is_similarity", "impostors", "enrolled", "searches")
# Options that say how templates are read or compared, which a recording has none of; it is read in one go.
OF_TEMPLATES: tuple[str, ...] = (
    "pairs",
    "exclude",
    "keep_pairs",
    "by_subject",
    "declared",
    "gallery",
    "probes",
    "gallery_labels",
    "probe_labels",
    "split",
)
OF_TEMPLATES += ("nonmated_subjects", "array", "scratch", "id_column", "per_template", "engine", "isa")
OF_TEMPLATES += ("runner", "address", "workers", "storage")
OF_TEMPLATES += ("checkpoint_every", "fresh", "token_file", "ca", "cert", "key")


def verify(given: dict[str, Any], progress: Progress) -> tuple[FinishedRun, RecordedOptions]:
    """The run on `--scores`, and its options.

    Raises
    ------
    InputError : options that do not go together, or a mistake in a file.
    """
    if given["scores"] is None:
        raise InputError("nothing to count, expected TEMPLATES or --scores FILE")
    _refuse_others(given, "scores")
    options = _options(given, default_at="fmr=1e-3,1e-4", metrics=["fmr"])
    source = Recorded.open(
        str(given["scores"]),
        _format(given, "--scores"),
        impostors=None if given["impostors"] is None else str(given["impostors"]),
        columns=given["columns"],
        is_distance=given["is_distance"],
        threads=options.threads != 1,
    )
    people = _people(given, options)
    return (
        recorded.run_scores(source, options, people=people, failed=given["failed"], progress=progress),
        options,
    )


def identify(
    path: Path, k: int | None, ranks: tuple[int, ...], given: dict[str, Any], progress: Progress
) -> tuple[FinishedRun, RecordedOptions]:
    """The run on a recorded candidate log, and its options.

    Raises
    ------
    InputError : options that do not go together, or a mistake in a file.
    """
    _refuse_others(given, "candidates")
    options = _options(given, default_at="fpir=0.1,0.01", metrics=["fpir"])
    log = CandidateFile(
        str(path), _format(given, "--candidates"), given["columns"], given["is_distance"], options.threads != 1
    )
    if given["searches"] is not None and given["labels"] is not None:
        raise InputError("labels of searches stand in --searches; leave --labels out")
    enrolled, searches = given["enrolled"], given["searches"]
    if (enrolled is None) != (searches is None):
        raise InputError("expected both --enrolled and --searches, or neither")
    protocol = None if enrolled is None else Protocol.read(enrolled, searches, given["subject_column"])
    section = recorded.run_candidates(
        log, protocol, options, people=_people(given, options), k=k, ranks=ranks, progress=progress
    )
    return section, options


def length_and_file(values: tuple[str, ...]) -> tuple[int | None, Path | None]:
    """What `--candidates` means: the length of lists if it is a number, else a file of recorded ones."""
    numbers = [int(value) for value in values if value.lstrip("-").isdecimal()]
    paths = [Path(value) for value in values if not value.lstrip("-").isdecimal()]
    if len(numbers) > 1 or len(paths) > 1:
        raise InputError(f"--candidates is given {len(values)} times, expected a length, a file, or one of each")
    return (numbers[0] if numbers else None), (paths[0] if paths else None)


def _format(given: dict[str, Any], option: str) -> str:
    if given["format_name"] is None:
        raise InputError(f"{option} needs --format, which says how the file is written")
    if given["is_distance"] and given["is_similarity"]:
        raise InputError("--distance and --similarity contradict each other, expected one")
    return str(given["format_name"])


def refuse_without(what: str) -> None:
    """Refuses options that say how a recording is read where there is none."""
    for name in OF_RECORDINGS:
        if _is_given(name):
            option = name.removeprefix("is_").removesuffix("_name")
            raise InputError(f"--{option} is about recorded files, expected --{what} FILE with it")


def _is_given(name: str) -> bool:
    """Whether an option stands on the command line."""
    context = click.get_current_context()
    return name in context.params and context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_others(given: dict[str, Any], what: str) -> None:
    """Options that a recording cannot heed are refused, not ignored."""
    if given["templates"] is not None:
        raise InputError(f"{given['templates']}: expected either TEMPLATES or --{what}, not both")
    for name in OF_TEMPLATES:
        if _is_given(name):
            option = name.replace("by_subject", "per_subject").replace("_", "-")
            raise InputError(f"--{option} does not apply to recorded files; leave it out with --{what}")


def _people(given: dict[str, Any], options: RecordedOptions) -> Templates | None:
    labels = given["labels"]
    return None if labels is None else read_people(labels, options.population_columns, given["subject_column"])


def _options(given: dict[str, Any], *, default_at: str, metrics: list[str]) -> RecordedOptions:
    texts = given["at"] or ((default_at,) if not given["thresholds"] else ())
    targets = dict.fromkeys(target for text in texts for target in parse_targets(text, metrics))
    return RecordedOptions(
        out=given["out"],
        groupings=given["groupings"],
        per_template=given["per_template"],
        thresholds=given["thresholds"],
        targets=tuple(targets),
        population=given["population"],
        n_blocks=given.get("blocks", DEFAULT_BLOCKS),
        threads=given["threads"],
        with_report=not given["no_report"],
        step=given["axis_step"] if _is_given("axis_step") else None,
        first=given["axis_from"] if _is_given("axis_from") else None,
        is_similarity=given["is_similarity"],
    )
