"""Says what `results.json` holds, key by key, so that mypy finds a renamed column; open it to look up a table.

`results_of` gives the JSON of a finished run its type; its `kind` tells which of five it is. A table is an object of
`schema/results.schema.json`, which describes the keys. What runs of older versions lack is NotRequired here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, TypedDict, cast, final

Number: TypeAlias = float | None
# A list with one number for each threshold of the run, and an object with one entry for each rank.
ByThreshold: TypeAlias = Annotated[list[int], "by threshold"]
Rank: TypeAlias = Annotated[str, "rank"]
Failed: TypeAlias = Literal["reject", "exclude", "accept"]
ErrorRate: TypeAlias = Literal["fmr", "fnmr", "fpir", "fnir"]
SearchRate: TypeAlias = Literal["fpir", "fnir"]

# A table is a few rows of keys.
# fmt: off
# Parts of several tables

Value = TypedDict("Value", {"value": Number, "reason": str})  # A number, or the reason why there is none.
Range = TypedDict("Range", {"value": Number, "reason": str, "low": Number, "high": Number})  # A number between two.
Interval = TypedDict("Interval", {"value": Number, "reason": str, "low": Number, "high": Number, "level": float})
Measured = TypedDict("Measured", {  # A number with its interval, and how that was made.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str})
Estimate = TypedDict("Estimate", {  # A rate with its counts and its interval.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str,
    "k": int, "n": int, "n_effective": Number, "n_subjects": int | None})
Share = TypedDict("Share", {"value": Number, "reason": str, "k": int, "n": int})  # k of n, as counted.
OfGroup = TypedDict("OfGroup", {"grouping": str, "group": str})  # The group that a row is about.
# The two groups that a row is about, or one twice.
OfPair = TypedDict("OfPair", {"grouping": str, "group_a": str, "group_b": str})
OperatingPoint = TypedDict("OperatingPoint", {  # A threshold that was set at a target rate.
    "at": str, "population": str, "threshold": Number, "k": int, "n": int, "reason": str, "achieved": Number,
    "rule_of_30": bool})
SetPoint = TypedDict("SetPoint", {  # A threshold, and the lowest score that is above it.
    "at": str, "population": str, "threshold": Number, "k": int, "n": int, "reason": str, "achieved": Number,
    "rule_of_30": bool, "beyond": Number})

class Head(TypedDict):  # What every `results.json` begins with, but its kind.
    schema: Literal["frbench.results"]
    schema_version: Literal[1]
    plan: str
    thresholds: list[float]
    groupings: list[str]
    operating_points: list[OperatingPoint]


# Differences between groups

AnyRatio = TypedDict("AnyRatio", {  # One group against another.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str, "grouping": str,
    "threshold": float, "group": list[str], "reference": list[str], "k": list[int], "n": list[int]})

@final
class Ratio(AnyRatio):  # One group against the group with most subjects, in FMR.
    metric: NotRequired[Literal["fmr"]]
    detectable: NotRequired[Number]

@final
class Contrast(AnyRatio):  # One group against the group with most subjects, in any rate.
    metric: ErrorRate
    rank: int | None
    detectable: Number
    difference: Range

Highest = TypedDict("Highest", {  # The group with the highest rate, and those that may have it.
    "metric": ErrorRate, "grouping": str, "threshold": float, "rank": int | None, "group": str | None,
    "possible": list[str], "level": float, "reason": str})

class GroupRate(Estimate):  # A rate within a group, or of it with everybody.
    group: str
    metric: ErrorRate
    among: Literal["within", "everybody"]

# A group that indices of a rate leave out.
NoIndex = TypedDict("NoIndex", {"metric": str, "group": str, "reason": str})
Matrix = TypedDict("Matrix", {"groups": list[str], "k": list[list[int]], "n": list[list[int]]})
Index = TypedDict("Index", {  # One number for how far groups differ.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str,
    "name": Literal[
        "max_over_min", "max_over_mean", "max_over_geomean", "vary_geomean", "gini", "fdr", "ir", "garbe", "werm"
    ],
    "of": str, "at_equality": float, "parameters": dict[str, float], "lower_bound": Number, "interval_reason": str,
    "expected": Number, "critical": Number, "p_value": Number, "null_reason": str})
# How runs without a difference were drawn.
NoDifference = TypedDict("NoDifference", {"method": str, "draws": int, "seed": int})
Caution = TypedDict("Caution", {  # What to know before an index is believed.
    "code": Literal[
        "useless_matcher", "broad_homogeneity", "few_errors", "driven_by_smallest_cell", "fdr_blind", "werm_epsilon"
    ],
    "text": str})
Differentials = TypedDict("Differentials", {  # Groups at one threshold, accuracy first.
    "grouping": str, "threshold": float, "rank": int | None, "accuracy": dict[str, Estimate],
    "impostors": dict[str, Estimate], "threshold_set_on": list[str], "groups": list[GroupRate],
    "left_out": list[NoIndex], "matrix": Matrix | None, "indices": list[Index], "no_difference": NoDifference,
    "cautions": list[Caution]})

class GroupPoint(SetPoint):  # A threshold that was set on a group, or on everybody.
    set_on: str

# The threshold that holds the target in every group.
WorstThreshold = TypedDict("WorstThreshold", {"threshold": Number, "group": str | None, "reason": str})
GroupRates = TypedDict("GroupRates", {  # Rates of a group at the threshold of another.
    "set_on": str, "group": str, "threshold": float, "fmr": Estimate, "fnmr": Estimate})
NoThreshold = TypedDict("NoThreshold", {"group": str, "reason": str})  # A group without a threshold of its own.
GroupThresholds = TypedDict("GroupThresholds", {  # The threshold that each group needs for a target.
    "grouping": str, "rate": str, "thresholds": list[GroupPoint], "worst": WorstThreshold, "rates": list[GroupRates],
    "left_out": list[NoThreshold]})


# 1:1

Cell = TypedDict("Cell", {  # Comparisons of two groups, and those accepted by threshold.
    "grouping": str, "group_a": str, "group_b": str, "mated": bool, "trials": int, "unscored": int,
    "accepted": ByThreshold})

class VerifyEstimate(OfPair, Estimate):  # A rate of two groups at a threshold.
    metric: Literal["fmr", "fnmr"]
    threshold: float

# Mean and standard deviation of scores.
Spread = TypedDict("Spread", {"n": int, "mean": Number, "sd": Number, "reason": str})
Spreads = TypedDict("Spreads", {
    "grouping": str, "group_a": str, "group_b": str, "nonmated": Spread, "mated": Spread, "d_prime": Value})
Moments = TypedDict("Moments", {"checksum": str, "groups": list[Spreads]})  # Mean and standard deviation of all scores.
# Reviewed pairs that no rate counts.
Excluded = TypedDict("Excluded", {"file": str, "sha256": str, "pairs": int, "mated": int, "nonmated": int})
Fold = TypedDict("Fold", {  # A fold at the threshold of the others.
    "name": str, "threshold": Number, "n_tied": int, "correct": int, "n": int, "n_mated": int, "least": int,
    "most": int})
Folds = TypedDict("Folds", {  # Accuracy over the folds of a list of pairs.
    "mean": Number, "standard_error": Number, "least": Number, "most": Number, "n_unscored": int, "failed": Failed,
    "folds": list[Fold], "reason": str})
RecordedFile = TypedDict("RecordedFile", {"file": str, "sha256": str, "rows": int})
Recorded = TypedDict("Recorded", {  # Scores that another program made.
    "format": str, "files": list[RecordedFile], "score": Literal["as recorded", "minus the recorded distance"],
    "lowest": Number, "highest": Number, "notes": list[str]})
Scale = TypedDict("Scale", {"center": float, "scale": float})  # The scale of the scores of a system.
Calibration = TypedDict("Calibration", {  # Whom a fusion was fitted on.
    "share": float, "subjects": int, "templates": int, "nonmated": int, "mated": int,
    "pairs_left_out": NotRequired[int]})
Fusion = TypedDict("Fusion", {  # How two scores became one.
    "rule": Literal["sum", "weighted", "and", "or"], "formula": str, "weight": Number, "a": Scale, "b": Scale,
    "failures": str, "norm": Literal["z", "minmax", "none", "thresholds of A and B"],
    "calibration": Calibration | None})
Eer = TypedDict("Eer", {  # Equal error rate in its usual senses.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str, "threshold": Number,
    "false_matches": int, "n_nonmated": int, "false_nonmatches": int, "n_mated": int, "bounds": list[float] | None,
    "fvc": list[float] | None, "rocch": Number})
Auc = TypedDict("Auc", {  # Area under the ROC.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str, "wins": int,
    "ties": int, "n": int, "bounds": list[float] | None})
MinCllr = TypedDict("MinCllr", {  # Least cost of scores taken as log-likelihood ratios.
    "value": Number, "reason": str, "low": Number, "high": Number, "level": float, "method": str,
    "bounds": list[float] | None, "n_nonmated": int, "n_mated": int})
# The smallest rate with 30 errors behind it.
Supported = TypedDict("Supported", {"value": Number, "reason": str, "n": int})
# The smallest rates that comparisons can show.
SupportedDownTo = TypedDict("SupportedDownTo", {"fmr": Supported, "fnmr": Supported})
Generalised = TypedDict("Generalised", {  # Error rates of transactions at a threshold.
    "threshold": float, "gfar": Number, "gfrr": Number, "false_matches": int, "n_nonmated": int,
    "false_nonmatches": int, "n_mated": int, "reason": str})
AllGeneralised = TypedDict("AllGeneralised", {"policy": str, "rates": list[Generalised]})
Summary = TypedDict("Summary", {  # Whole curves of everybody, or within a group.
    "grouping": str, "group": str, "failed_policy": Failed, "eer": Eer, "auc": Auc, "min_cllr": MinCllr,
    "supported_down_to": SupportedDownTo, "fta": Estimate, "generalised": AllGeneralised})
# Both error rates under one policy for failed templates.
PolicyRates = TypedDict("PolicyRates", {"false_positive": Share, "false_negative": Share})
Policies = TypedDict("Policies", {  # Both error rates by policy.
    "reject": PolicyRates, "exclude": PolicyRates, "accept": PolicyRates, "bob": PolicyRates})
FailureRow = TypedDict("FailureRow", {  # Trials with a failed template, by what is done about them.
    "grouping": str, "group": str, "threshold": float, "rank": int | None, "nonmated_failures": Share,
    "mated_failures": Share, "fta": Share, "rates": Policies})
# Error rates by what is done about failed templates.
Failures = TypedDict("Failures", {"policies": dict[str, str], "rows": list[FailureRow]})
RunCounts = TypedDict("RunCounts", {
    "mated": int, "mated_scored": int, "pairs": int, "pairs_scored": int, "nonmated": int, "nonmated_scored": int})
# Numbers of images, subjects and pairs.
Counts = TypedDict("Counts", {"rows": int, "subjects": int, "conventions": dict[str, int], "run": RunCounts})
Declared = TypedDict("Declared", {"declared": int, "explanation": str})  # A number that a protocol states.
Concentration = TypedDict("Concentration", {  # Errors of the subjects that have most of them.
    "subjects": int, "affected": int, "worst": int, "errors": int, "worst_errors": int, "share": Number,
    "expected": Number, "by_chance": Number, "listed": list[tuple[str, int]], "reason": str})
SubjectRow = TypedDict("SubjectRow", {  # How far the errors of a group rest on few people.
    "grouping": str, "group": str, "threshold": float, "false_matches": Concentration,
    "false_nonmatches": Concentration})
Subjects = TypedDict("Subjects", {"worst": float, "rows": list[SubjectRow]})  # How far errors rest on few people.
ThresholdInterval = TypedDict("ThresholdInterval", {  # Where a threshold would lie with other people.
    "at": str, "threshold": float, "rate": float, "low": Number, "high": Number, "level": float, "reason": str})
# What is said of groups against each other; nothing without groups.
Contrasts = TypedDict("Contrasts", {"contrasts": NotRequired[list[Contrast]], "highest": NotRequired[list[Highest]]})
Compared = TypedDict("Compared", {  # What rates of comparisons and of searches may have besides.
    "recorded": NotRequired[Recorded], "differentials": NotRequired[list[Differentials]],
    "group_thresholds": NotRequired[list[GroupThresholds]], "failures": NotRequired[Failures]})

class Verify(Head, Contrasts, Compared):  # 1:1 comparisons, counted, recorded or fused.
    kind: Literal["verify"]
    failed_policy: Failed
    excluded: Excluded | None
    cells: list[Cell]
    overall: list[Cell]
    estimates: list[VerifyEstimate]
    ratios: list[Ratio]
    moments: NotRequired[Moments]
    folds: NotRequired[Folds]
    fusion: NotRequired[Fusion]
    summaries: NotRequired[list[Summary]]
    counts: NotRequired[Counts]
    reconciliation: NotRequired[list[Declared]]
    subjects: NotRequired[Subjects]
    threshold_intervals: NotRequired[list[ThresholdInterval]]


# 1:N

Searches = TypedDict("Searches", {
    "grouping": str, "group": str, "mated_searches": int, "mated_unscored": int, "nonmated_searches": int,
    "nonmated_unscored": int, "false_positives": ByThreshold, "misses_rank1": ByThreshold,
    "misses": dict[Rank, ByThreshold], "rank_hits": dict[Rank, int]})

class GroupShare(OfGroup, Estimate):
    """A share of a group."""

class IdentifyEstimate(GroupShare):  # A rate of a group at a threshold, or without.
    metric: SearchRate
    threshold: Number
    rank: int | None

SizedRate = TypedDict("SizedRate", {  # A rate in a gallery of another size.
    "grouping": str, "group": str, "value": Number, "reason": str, "low": Number, "high": Number, "size": int,
    "metric": SearchRate, "rank": int | None, "threshold": Number,
    "state": Literal["measured", "extrapolated", "not estimable"], "false_matches": int | None, "searches": int,
    "model": str})
ModelCheck = TypedDict("ModelCheck", {  # How a model did on parts of the gallery.
    "grouping": str, "group": str, "threshold": float, "model": str, "at": float, "tried": int, "held": int,
    "error": Number, "is_passed": bool})
GallerySizes = TypedDict("GallerySizes", {  # Rates at other sizes of the gallery.
    "gallery": int, "unit": str, "rows": list[SizedRate], "checks": list[ModelCheck]})
Mode = TypedDict("Mode", {  # FNIR(N, R, T) of one way to use a system.
    "grouping": str, "group": str, "mode": Literal["identification", "investigation"], "fpir_at_most": str | None,
    "gallery": int, "list_length": int, "rank": int, "set_at": SetPoint | None, "fpir": Estimate | None,
    "fnir": Estimate, "note": str})

class RankHits(Estimate):  # Mated searches whose mate is at a rank or better.
    rank: int

# Cumulative match characteristic of a group.
Cmc = TypedDict("Cmc", {"grouping": str, "group": str, "gallery": int, "gallery_subjects": int, "hits": list[RankHits]})
Selectivity = TypedDict("Selectivity", {  # Candidates that a non-mated search puts before a reviewer.
    "grouping": str, "group": str, "value": Number, "reason": str, "low": Number, "high": Number, "level": float,
    "method": str, "threshold": float, "k": int, "n": int, "gallery": int, "n_censored": int, "is_censored": bool})
Hubness = TypedDict("Hubness", {  # How often templates are among the first candidates of other people.
    "rows": int, "lists": int, "k": int, "most": int, "never": int, "skewness": Number, "worst": int,
    "worst_share": Number, "expected_most": int, "reason": str, "template": str | None})
Searched = TypedDict("Searched", {  # A gallery that was searched.
    "gallery": int, "gallery_subjects": int, "gallery_failed": int, "k": int, "ranks": list[int], "interval": str})

class Identify(Head, Searched, Contrasts, Compared):
    kind: Literal["identify"]
    gallery_sizes: NotRequired[GallerySizes]
    groups: list[Searches]
    estimates: list[IdentifyEstimate]
    modes: NotRequired[list[Mode]]
    cmc: NotRequired[list[Cmc]]
    fte: NotRequired[Estimate]
    selectivity: NotRequired[list[Selectivity]]
    hubness: NotRequired[Hubness]


# Times

Quantile = TypedDict("Quantile", {  # A percentile of times, with its interval.
    "q": float, "value_ns": Number, "low_ns": Number, "high_ns": Number, "n": int, "level": float, "reason": str})
Timing = TypedDict("Timing", {  # Requests of one batch size for probes of a group.
    "grouping": str, "group": str, "batch": int, "requests": int, "probes": NotRequired[int], "mean_ns": Number,
    "probes_per_second": Number, "quantiles": list[Quantile]})
# How searches were timed.
Timed = TypedDict("Timed", {"dimension": int, "k": int, "timer": str, "runs": int, "resolution": str})

class Latency(Head, Timed):
    kind: Literal["latency"]
    gallery: int
    batches: list[int]
    isa: str
    warm_up: float
    groups: list[Timing]

Sent = TypedDict("Sent", {  # Requests that were sent, and what became of them.
    "load": int, "requests": int, "answered": int, "statuses": dict[str, int], "offered_per_s": float,
    "achieved_per_s": float, "lag_p99_ns": Number, "is_generator_late": bool})

class LoadPoint(Sent):  # All measurements at one load.
    rate: Number
    in_flight: int | None

LoadSecond = TypedDict("LoadSecond", {
    "second": int, "requests": int, "failed": int, "median_ns": Number, "p99_ns": Number, "longest_ns": Number})

class Measurement(Sent):  # One measurement at a load, second by second.
    run: int
    seconds: list[LoadSecond]

LoadTimes = TypedDict("LoadTimes", {  # Times of the requests for probes of a group at one load.
    "grouping": str, "group": str, "load": int, "requests": int, "failed": int, "probes": int, "mean_ns": Number,
    "quantiles": list[Quantile], "quantiles_answered": list[Quantile]})
LoadTrial = TypedDict("LoadTrial", {  # A rate that was tried.
    "rate": float, "requests": int, "late": int, "is_met": bool, "is_generator_late": bool})
Objective = TypedDict("Objective", {  # The highest rate that meets an objective.
    "objective": str, "q": float, "limit_ns": float, "rate": Number, "trials": list[LoadTrial]})

class Load(Head, Timed):  # Requests that were sent to a server at a rate.
    kind: Literal["load"]
    gallery: str
    scenario: Literal["single-stream", "multi-stream", "server", "offline"]
    batch: int
    mix: Literal["natural", "balanced"]
    seconds: float
    warm_up_s: float
    connections: int
    timeout_s: float
    meaning: str
    saturation_per_s: Number
    loads: list[LoadPoint]
    groups: list[LoadTimes]
    measurements: list[Measurement]
    slo: Objective | None


# Exact searches beside others

Speed = TypedDict("Speed", {  # Searches a second.
    "per_s": Number, "low": Number, "high": Number, "searches": int, "passes": int, "threads": int, "reason": str})
Approximate = TypedDict("Approximate", {  # The index that proposed candidates.
    "index": str, "library": str, "parameters": dict[str, int], "proposals": int, "seed": int, "order": str,
    "threads": int, "workers": NotRequired[int], "effort": NotRequired[str]})
# How rows were stored.
Reduced = TypedDict("Reduced", {"format": str, "dimensions": int, "bytes_per_row": int, "kept": Number})
System = TypedDict("System", {  # One way to search, beside the exact one.
    "name": str, "effort": NotRequired[int], "approximate": NotRequired[Approximate], "reduced": NotRequired[Reduced],
    "queries": Speed})
Net = TypedDict("Net", {  # The rate of the other search less that of the exact one, paired.
    "difference": Number, "low": Number, "high": Number, "error": Number, "p": Number, "detectable": Number,
    "ratio": Number, "ratio_low": Number, "ratio_high": Number, "level": float, "method": str, "reason": str,
    "ratio_reason": str})
BothRates = TypedDict("BothRates", {  # One rate of one group in both searches.
    "grouping": str, "group": str, "system": str, "metric": SearchRate, "rank": int | None, "exact": Estimate,
    "other": Estimate, "net": Net})

class ShortcutRow(BothRates):  # Both rates at one threshold, and the searches that only one gets wrong.
    threshold: Number
    added: Estimate
    removed: Estimate

class OwnThreshold(BothRates):  # Both rates, each at a threshold that its search set.
    at: str
    thresholds: list[float]

Gap = TypedDict("Gap", {  # A group against the one with most subjects.
    "grouping": str, "group": str, "system": str, "metric": SearchRate, "threshold": Number, "rank": int | None,
    "reference": str, "level": float, "exact": Interval, "other": Interval, "added": Interval, "removed": Interval,
    "opens": bool, "hides": bool})
GroupSearches = TypedDict("GroupSearches", {"grouping": str, "group": str, "mated": int, "nonmated": int})
# Templates of a group in the gallery.
Enrolled = TypedDict("Enrolled", {"grouping": str, "group": str, "templates": int, "subjects": int})
WorkerIndex = TypedDict("WorkerIndex", {"rows": int, "nbytes": int, "seconds": float})
Recall = TypedDict("Recall", {  # How many of the best rows a search returned.
    "grouping": str, "group": str, "system": str, "k": int, "mean": Estimate, "lowest": Number})
Reach = TypedDict("Reach", {  # Members of the gallery that searches do not return.
    "effort": str, "highest": str, "not_by_itself": list[GroupShare], "never": list[GroupShare], "members": list[str]})
InsertionOrder = TypedDict("InsertionOrder", {  # What other orders of insertion change.
    "grouping": str, "group": str, "system": str, "changed": Estimate, "flipped": Estimate, "missed": list[int]})
OfIndex = TypedDict("OfIndex", {  # What only an index has.
    "approximate": NotRequired[Approximate], "index_bytes": NotRequired[int], "build_s": NotRequired[float],
    "worker_indexes": NotRequired[list[WorkerIndex]], "recall": NotRequired[list[Recall]], "reach": NotRequired[Reach],
    "rebuilds": NotRequired[int], "orders": NotRequired[list[InsertionOrder]],
    "own_thresholds": NotRequired[list[OwnThreshold]]})

class Shortcut(Head, Searched, OfIndex):  # Exact searches beside those of an index, or of templates in fewer bits.
    kind: Literal["ann", "precision"]
    threshold_rule: str
    dimension: int
    searches: list[GroupSearches]
    systems: list[System]
    rows: list[ShortcutRow]
    gaps: list[Gap]
    exact_queries: Speed
    exact_bytes: int
    enrolled: list[Enrolled]

Results: TypeAlias = Verify | Identify | Latency | Load | Shortcut
Rates: TypeAlias = Verify | Identify
AnyContrast: TypeAlias = Contrast | Ratio
# fmt: on


def estimate(found: Range, *, k: int, n: int, level: float, n_subjects: int | None = None) -> Estimate:
    """An estimate of counts that were summed or cut, without a word on how its interval was made."""
    counts = {"k": k, "n": n, "n_effective": None, "n_subjects": n_subjects, "level": level, "method": ""}
    return cast("Estimate", {**found, **counts})


def results_of(read: Mapping[str, Any]) -> Results:
    """What was read from `results.json`, with its type."""
    return cast("Results", read)
