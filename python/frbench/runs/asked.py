"""Makes a run of each kind from keywords. The options of commands are these keywords, and are read here alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from frbench.choices import DEFAULT_BLOCKS, DEFAULT_K, groupings_of
from frbench.counting.calibrate import parse_targets
from frbench.counting.fusion.twins import Twins
from frbench.counting.identify import DEFAULT_RANKS, split_first_per_subject
from frbench.counting.latency import LatencyTask
from frbench.counting.pair_list import PairList
from frbench.counting.recorded.candidate_log import CandidateFile, Protocol
from frbench.counting.recorded.people import read_people
from frbench.counting.recorded.score_files import Recorded
from frbench.counting.sweep import Progress
from frbench.engines.cluster.runners import Runner
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.runs import recorded
from frbench.runs.ann import run_ann
from frbench.runs.fuse import Fusion, run_fusion
from frbench.runs.identify import run_identify
from frbench.runs.latency import run_latencies
from frbench.runs.manifest import hardware
from frbench.runs.options import Options, population_of
from frbench.runs.precision import run_precision
from frbench.runs.recorded import RecordedOptions
from frbench.runs.verify import run_verify
from frbench.service.credentials import Credentials, token_of
from frbench.shortcuts.indexing import AnnAsked
from frbench.templates import Templates, load

# A shorter list than that of `identify`: an index is asked for few rows.
SHORTCUT_K = 10
# Keywords that were not given are these, or else None.
DEFAULTS: Mapping[str, Any] = {
    "by": (),
    "per_template": (),
    "thresholds": (),
    "at": (),
    "at_population": "all",
    "axis_step": 0.001,
    "axis_from": -1.0,
    "blocks": DEFAULT_BLOCKS,
    "threads": 0,
    "checkpoint_every": 2.0,
    "fresh": False,
    "report": True,
    "id_column": "template_id",
    "subject_column": "subject_id",
    "failed": "reject",
    "per_subject": False,
    "declared": (),
    "distance": False,
    "similarity": False,
    "ranks": (),
    "gallery_sizes": (),
    "batches": (1, 64),
    "requests": 500,
    "runs": 3,
    "index": "hnsw",
    "build": {},
    "effort": (),
    "proposals": 0,
    "rebuilds": 3,
    "seed": 1,
    "format": ("float16", "bfloat16", "int8"),
    "rule": "sum",
    "norm": "z",
    "calibration_share": 0.2,
}
# Files of whoever calls a server.
FILES = ("ca", "cert", "key")
# Keywords that say how a recording is read.
OF_RECORDINGS = ("format", "columns", "distance", "similarity", "impostors", "enrolled", "searches")
# Those that say how templates are read or compared, which a recording has none of; it is read in one go.
OF_TEMPLATES: tuple[str, ...] = ("pairs", "exclude", "keep_pairs", "per_subject", "declared", "gallery", "probes")
OF_TEMPLATES += ("gallery_labels", "probe_labels", "split", "nonmated_subjects", "array", "scratch", "id_column")
OF_TEMPLATES += ("per_template", "engine", "isa", "runner", "address", "workers", "storage")
OF_TEMPLATES += ("checkpoint_every", "fresh", "token_file", "ca", "cert", "key")


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Parameters
    ----------
    given : the keywords that were given, and no others.
    out : directory of the run.
    progress : shows each step to a person.
    command : what the manifest names as the command.
    """

    given: Mapping[str, Any]
    out: Path
    progress: Progress
    command: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        return self.given[name] if name in self.given else DEFAULTS.get(name)

    def options(self, *, default_at: str = "", metrics: Sequence[str] = ()) -> Options:
        """What all runs share. default_at : targets, if neither targets nor thresholds were given."""
        return Options(
            **self._shared(default_at, metrics),
            axis_step=self["axis_step"],
            axis_from=self["axis_from"],
            engine=self["engine"] or "cpu",
            credentials=Credentials(token_of(_path(self["token_file"])), *map(_path, map(self.__getitem__, FILES))),
            runner=self._runner(),
            isa=self["isa"],
            checkpoint_s=self["checkpoint_every"],
            fresh=self["fresh"],
            train_subjects=_path(self["train_subjects"]),
        )

    def recorded_options(self, *, default_at: str, metrics: Sequence[str]) -> RecordedOptions:
        """The same of a run on recorded scores, whose axis spans them if nothing else was asked for."""
        return RecordedOptions(
            **self._shared(default_at, metrics),
            step=self.given.get("axis_step"),
            first=self.given.get("axis_from"),
            is_similarity=self["similarity"],
        )

    def fused_options(self) -> RecordedOptions:
        """The same of a run on fused scores."""
        is_decided = self["threshold_a"] is not None
        shared = self._shared("" if is_decided else "fmr=1e-3,1e-4", ["fmr", "fnmr"])
        return RecordedOptions(
            **shared | {"thresholds": shared["thresholds"] or ((0.0,) if is_decided else ())},
            engine=self["engine"] or "cpu",
            isa=self["isa"],
            checkpoint_s=self["checkpoint_every"],
            fresh=self["fresh"],
            step=self["axis_step"] if "axis_step" in self.given else None,
        )

    def _shared(self, default_at: str, metrics: Sequence[str]) -> dict[str, Any]:
        thresholds = _numbers("thresholds", self["thresholds"])
        texts = _texts("at", self["at"]) or ((default_at,) if default_at and not thresholds else ())
        return {
            "out": self.out,
            "groupings": groupings_of(_texts("by", self["by"])),
            "per_template": _texts("per_template", self["per_template"]),
            "thresholds": thresholds,
            "targets": tuple(dict.fromkeys(target for text in texts for target in parse_targets(text, metrics))),
            "population": population_of(self["at_population"]),
            "n_blocks": self["blocks"],
            "threads": self["threads"],
            "with_report": self["report"],
            "command": self.command,
        }

    def _runner(self) -> Runner | None:
        """Who is handed the tiles; None for this process, for which the other keywords mean nothing."""
        if self["runner"] is not None:
            return Runner(workers=self["workers"], address=self["address"], folder=self["storage"])
        if name := next((name for name in ("workers", "address", "storage") if self[name] is not None), None):
            raise InputError(f"--{name} is for workers of a cluster; add --runner ray")
        return None

    def templates(self, name: str, labels: Any) -> Templates:
        """The templates of a keyword, read as the others say."""
        value = self[name]
        if isinstance(value, Templates):
            if labels is not None:
                raise InputError(f"{name} have labels already; leave labels out, or give the matrix itself")
            return value
        return load(
            value,
            labels=labels,
            id_column=self["id_column"],
            subject_column=self["subject_column"],
            array=self["array"],
            threads=self["threads"],
            scratch_directory=_path(self["scratch"]),
        )

    def gallery_and_probes(self) -> tuple[Templates, Templates]:
        """Two sets of templates, or a split of one."""
        has_gallery, has_probes = self["gallery"] is not None, self["probes"] is not None
        if has_gallery != has_probes or has_gallery == (self["templates"] is not None):
            raise InputError("expected either TEMPLATES to split, or both --gallery and --probes")
        if has_gallery:
            of_gallery, of_probes = (self[f"{name}_labels"] for name in ("gallery", "probe"))
            return (
                self.templates("gallery", self["labels"] if of_gallery is None else of_gallery),
                self.templates("probes", self["labels"] if of_probes is None else of_probes),
            )
        read = self.templates("templates", self["labels"])
        wanted = self["nonmated_subjects"]
        if wanted is None:
            wanted = 0 if read.subject_ids is None else len(set(read.subject_ids)) // 5
        return split_first_per_subject(read, wanted)

    def lists(self, gallery: Templates) -> dict[str, Any]:
        """How long lists of shortcuts are, and which ranks count."""
        k = min(SHORTCUT_K, len(gallery)) if self["k"] is None else self["k"]
        return {"k": k, "ranks": _with_rank_1(self["ranks"]) or (1,)}

    def people(self, options: RecordedOptions) -> Templates | None:
        """Labels by subject, of recorded trials."""
        labels = self["labels"]
        return None if labels is None else read_people(labels, options.population_columns, self["subject_column"])

    def recorded_format(self, option: str) -> str:
        """How a recorded file is written."""
        if self["format"] is None or "format" not in self.given:
            raise InputError(f"{option} needs --format, which says how the file is written")
        if self["distance"] and self["similarity"]:
            raise InputError("--distance and --similarity contradict each other, expected one")
        return str(self["format"])

    def refuse_recording(self, what: str) -> None:
        """Refuses keywords that say how a recording is read where there is none."""
        for name in OF_RECORDINGS:
            if name in self.given:
                raise InputError(f"--{name} is about recorded files, expected --{what} FILE with it")

    def refuse_templates(self, what: str) -> None:
        """Refuses keywords that a recording cannot heed, instead of ignoring them."""
        if self["templates"] is not None:
            raise InputError(f"{self['templates']}: expected either TEMPLATES or --{what}, not both")
        for name in OF_TEMPLATES:
            if name in self.given:
                raise InputError(
                    f"--{name.replace('_', '-')} does not apply to recorded files; leave it out with --{what}"
                )


def verify(asked: Asked) -> FinishedRun:
    """Counts comparisons of templates, or recorded ones."""
    if asked["templates"] is None or asked["scores"]:
        return _recorded_scores(asked)
    asked.refuse_recording("scores")
    options = asked.options(default_at="fmr=1e-3,1e-4", metrics=["fmr", "fnmr"])
    read = asked.templates("templates", asked["labels"])
    pairs, exclude = asked["pairs"], asked["exclude"]
    listed = PairList.read(pairs, read) if pairs else None
    return run_verify(
        read,
        options,
        pairs=listed,
        failed=asked["failed"],
        progress=asked.progress,
        excluded=PairList.reviewed(exclude, read, listed) if exclude else None,
        keep_pairs=asked["keep_pairs"],
        declared=tuple(asked["declared"]),
        by_subject=asked["per_subject"],
    )


def identify(asked: Asked) -> FinishedRun:
    """Counts searches of probes in a gallery, or recorded candidate lists."""
    ranks = _with_rank_1(asked["ranks"])
    if asked["candidates"] is not None:
        if asked["gallery_sizes"]:
            raise InputError("--gallery-sizes needs templates to search; recorded candidate lists are of one gallery")
        return _recorded_candidates(asked, ranks)
    asked.refuse_recording("candidates")
    options = asked.options(default_at="fpir=0.1,0.01", metrics=["fpir", "fmr"])
    gallery, probes = asked.gallery_and_probes()
    return run_identify(
        gallery,
        probes,
        options,
        k=min(DEFAULT_K, len(gallery)) if asked["k"] is None else asked["k"],
        ranks=ranks or DEFAULT_RANKS,
        progress=asked.progress,
        sizes=tuple(asked["gallery_sizes"]),
    )


def latency(asked: Asked) -> list[FinishedRun]:
    """Times searches on processors, and on GPUs where there are and nothing else was asked for."""
    options = asked.options()
    task = latency_task(*asked.gallery_and_probes(), options, asked)
    return run_latencies(task, options, asked["engine"], runs=asked["runs"], progress=asked.progress)


def latency_task(gallery: Templates, probes: Templates, options: Options, asked: Asked) -> LatencyTask:
    """The requests that are timed."""
    probes.require_labels(options.columns, options.per_template)
    return LatencyTask(
        gallery=gallery,
        probes=probes,
        columns=options.columns,
        hardware=hardware(),
        k=min(DEFAULT_K, len(gallery)) if asked["k"] is None else asked["k"],
        batches=tuple(asked["batches"]) or DEFAULTS["batches"],
        requests=asked["requests"],
        threads=options.threads,
        isa=options.isa,
    )


def ann(asked: Asked) -> FinishedRun:
    """Searches exactly and with an approximate index."""
    options = asked.options(default_at="fpir=0.1", metrics=["fpir", "fmr"])
    index = AnnAsked(
        family=asked["index"],
        parameters=asked["build"],
        efforts=tuple(asked["effort"]),
        proposals=asked["proposals"],
        rebuilds=asked["rebuilds"],
        seed=asked["seed"],
    )
    gallery, probes = asked.gallery_and_probes()
    return run_ann(gallery, probes, options, index, **asked.lists(gallery), progress=asked.progress)


def precision(asked: Asked) -> FinishedRun:
    """Searches with templates in several formats."""
    options = asked.options(default_at="fpir=0.1", metrics=["fpir", "fmr"])
    gallery, probes = asked.gallery_and_probes()
    formats = _texts("format", asked["format"])
    return run_precision(gallery, probes, options, formats, **asked.lists(gallery), progress=asked.progress)


def fuse(asked: Asked) -> FinishedRun:
    """Counts fused comparisons."""
    fusion, options = _fusion(asked), asked.fused_options()
    one, other = (asked.templates(name, asked["labels"]) for name in ("a", "b"))
    for templates in (one, other):
        templates.require_labels(options.population_columns, options.per_template)
    twins = Twins.of(one, other, options.population_columns)
    return run_fusion(
        twins,
        fusion,
        options,
        failed=asked["failed"],
        progress=asked.progress,
        pairs=None if asked["pairs"] is None else PairList.read(asked["pairs"], twins.a),
    )


def _recorded_scores(asked: Asked) -> FinishedRun:
    """The run on recorded scores."""
    if asked["scores"] is None:
        raise InputError("nothing to count, expected TEMPLATES or --scores FILE")
    asked.refuse_templates("scores")
    options = asked.recorded_options(default_at="fmr=1e-3,1e-4", metrics=["fmr", "fnmr"])
    source = Recorded.open(
        str(asked["scores"]),
        asked.recorded_format("--scores"),
        impostors=None if asked["impostors"] is None else str(asked["impostors"]),
        columns=asked["columns"],
        is_distance=asked["distance"],
        threads=options.threads != 1,
    )
    people = asked.people(options)
    return recorded.run_scores(source, options, people=people, failed=asked["failed"], progress=asked.progress)


def _recorded_candidates(asked: Asked, ranks: tuple[int, ...]) -> FinishedRun:
    """The run on a recorded candidate log."""
    asked.refuse_templates("candidates")
    options = asked.recorded_options(default_at="fpir=0.1,0.01", metrics=["fpir"])
    log = CandidateFile(
        str(asked["candidates"]),
        asked.recorded_format("--candidates"),
        asked["columns"],
        asked["distance"],
        options.threads != 1,
    )
    enrolled, searches = asked["enrolled"], asked["searches"]
    if searches is not None and asked["labels"] is not None:
        raise InputError("labels of searches stand in --searches; leave --labels out")
    if (enrolled is None) != (searches is None):
        raise InputError("expected both --enrolled and --searches, or neither")
    protocol = None if enrolled is None else Protocol.read(enrolled, searches, asked["subject_column"])
    people = asked.people(options)
    return recorded.run_candidates(
        log, protocol, options, people=people, k=asked["k"], ranks=ranks, progress=asked.progress
    )


def _fusion(asked: Asked) -> Fusion:
    own = asked["threshold_a"], asked["threshold_b"]
    if (own[0] is None) != (own[1] is None):
        raise InputError("expected both --threshold-a and --threshold-b, or neither")
    if own[0] is not None:
        for name in ("norm", "calibration_share"):
            if name in asked.given:
                raise InputError(
                    f"--{name.replace('_', '-')} is about what is fitted, and with thresholds of A and B nothing is"
                )
    share = asked["calibration_share"]
    return Fusion(asked["rule"], asked["norm"], asked["weight"], None if own[0] is None else own, share)


def _with_rank_1(ranks: Sequence[int]) -> tuple[int, ...]:
    """Rank 1 is always counted; results have a field for it."""
    return tuple(ranks) if not ranks or ranks[0] <= 1 else (1, *ranks)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """Texts of a keyword, of which one may stand alone."""
    several = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if wrong := [each for each in several if not isinstance(each, str)]:
        raise InputError(f"{name} is {wrong[0]!r}, expected a text or several")
    return several


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    """Numbers of a keyword, of which one may stand alone."""
    several = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if wrong := [each for each in several if not isinstance(each, Real)]:
        raise InputError(f"{name} is {wrong[0]!r}, expected a number or several")
    return tuple(float(each) for each in several)


def _path(value: Any) -> Path | None:
    return None if value is None else Path(value)
