"""Says what `results.json` holds, key by key, so that mypy finds a renamed column; open it to look up a table.

`results_of` gives the JSON of a finished run its type; its `kind` tells which of five it is. A class is an object of
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


# Parts of several tables


class Value(TypedDict):
    """A number, or the reason why there is none."""

    value: Number
    reason: str


class Range(Value):
    """A number between two."""

    low: Number
    high: Number


class Interval(Range):
    """A number with its interval."""

    level: float


class Measured(Interval):
    """A number with its interval, and how that was made."""

    method: str


class Estimate(Measured):
    """A rate with its counts and its interval."""

    k: int
    n: int
    n_effective: Number
    n_subjects: int | None


class Share(Value):
    """k of n, as counted."""

    k: int
    n: int


class OfGroup(TypedDict):
    """The group that a row is about."""

    grouping: str
    group: str


class OfPair(TypedDict):
    """The two groups that a row is about, or one twice."""

    grouping: str
    group_a: str
    group_b: str


class OperatingPoint(TypedDict):
    """A threshold that was set at a target rate."""

    at: str
    population: str
    threshold: Number
    k: int
    n: int
    reason: str
    achieved: Number
    rule_of_30: bool


class SetPoint(OperatingPoint):
    """A threshold, and the lowest score that is above it."""

    beyond: Number


class Head(TypedDict):
    """What every `results.json` begins with, but its kind."""

    schema: Literal["frbench.results"]
    schema_version: Literal[1]
    plan: str
    thresholds: list[float]
    groupings: list[str]
    operating_points: list[OperatingPoint]


# Differences between groups


class AnyRatio(Measured):
    """One group against another."""

    grouping: str
    threshold: float
    group: list[str]
    reference: list[str]
    k: list[int]
    n: list[int]


@final
class Ratio(AnyRatio):
    """One group against the group with most subjects, in FMR."""

    metric: NotRequired[Literal["fmr"]]
    detectable: NotRequired[Number]


@final
class Contrast(AnyRatio):
    """One group against the group with most subjects, in any rate."""

    metric: ErrorRate
    rank: int | None
    detectable: Number
    difference: Range


@final
class Highest(TypedDict):
    """The group with the highest rate, and those that may have it."""

    metric: ErrorRate
    grouping: str
    threshold: float
    rank: int | None
    group: str | None
    possible: list[str]
    level: float
    reason: str


class GroupRate(Estimate):
    """A rate within a group, or of it with everybody."""

    group: str
    metric: ErrorRate
    among: Literal["within", "everybody"]


class NoIndex(TypedDict):
    """A group that indices of a rate leave out."""

    metric: str
    group: str
    reason: str


class Matrix(TypedDict):
    """Counts of every two groups."""

    groups: list[str]
    k: list[list[int]]
    n: list[list[int]]


class Index(Measured):
    """One number for how far groups differ."""

    name: Literal[
        "max_over_min", "max_over_mean", "max_over_geomean", "vary_geomean", "gini", "fdr", "ir", "garbe", "werm"
    ]
    of: str
    at_equality: float
    parameters: dict[str, float]
    lower_bound: Number
    interval_reason: str
    expected: Number
    critical: Number
    p_value: Number
    null_reason: str


class NoDifference(TypedDict):
    """How runs without a difference were drawn."""

    method: str
    draws: int
    seed: int


class Caution(TypedDict):
    """What to know before an index is believed."""

    code: Literal[
        "useless_matcher", "broad_homogeneity", "few_errors", "driven_by_smallest_cell", "fdr_blind", "werm_epsilon"
    ]
    text: str


class Differentials(TypedDict):
    """Groups at one threshold, accuracy first."""

    grouping: str
    threshold: float
    rank: int | None
    accuracy: dict[str, Estimate]
    impostors: dict[str, Estimate]
    threshold_set_on: list[str]
    groups: list[GroupRate]
    left_out: list[NoIndex]
    matrix: Matrix | None
    indices: list[Index]
    no_difference: NoDifference
    cautions: list[Caution]


class GroupPoint(SetPoint):
    """A threshold that was set on a group, or on everybody."""

    set_on: str


class WorstThreshold(TypedDict):
    """The threshold that holds the target in every group."""

    threshold: Number
    group: str | None
    reason: str


class GroupRates(TypedDict):
    """Rates of a group at the threshold of another."""

    set_on: str
    group: str
    threshold: float
    fmr: Estimate
    fnmr: Estimate


class NoThreshold(TypedDict):
    """A group without a threshold of its own."""

    group: str
    reason: str


class GroupThresholds(TypedDict):
    """The threshold that each group needs for a target."""

    grouping: str
    rate: str
    thresholds: list[GroupPoint]
    worst: WorstThreshold
    rates: list[GroupRates]
    left_out: list[NoThreshold]


# 1:1


class Cell(OfPair):
    """Comparisons of two groups, and those accepted by threshold."""

    mated: bool
    trials: int
    unscored: int
    accepted: ByThreshold


class VerifyEstimate(OfPair, Estimate):
    """A rate of two groups at a threshold."""

    metric: Literal["fmr", "fnmr"]
    threshold: float


class Spread(TypedDict):
    """Mean and standard deviation of scores."""

    n: int
    mean: Number
    sd: Number
    reason: str


class Spreads(OfPair):
    """Scores of two groups."""

    nonmated: Spread
    mated: Spread
    d_prime: Value


class Moments(TypedDict):
    """Mean and standard deviation of all scores."""

    checksum: str
    groups: list[Spreads]


class Excluded(TypedDict):
    """Reviewed pairs that no rate counts."""

    file: str
    sha256: str
    pairs: int
    mated: int
    nonmated: int


class Fold(TypedDict):
    """A fold at the threshold of the others."""

    name: str
    threshold: Number
    n_tied: int
    correct: int
    n: int
    n_mated: int
    least: int
    most: int


class Folds(TypedDict):
    """Accuracy over the folds of a list of pairs."""

    mean: Number
    standard_error: Number
    least: Number
    most: Number
    n_unscored: int
    failed: Failed
    folds: list[Fold]
    reason: str


class RecordedFile(TypedDict):
    """A file of scores."""

    file: str
    sha256: str
    rows: int


class Recorded(TypedDict):
    """Scores that another program made."""

    format: str
    files: list[RecordedFile]
    score: Literal["as recorded", "minus the recorded distance"]
    lowest: Number
    highest: Number
    notes: list[str]


class Scale(TypedDict):
    """The scale of the scores of a system."""

    center: float
    scale: float


class Calibration(TypedDict):
    """Whom a fusion was fitted on."""

    share: float
    subjects: int
    templates: int
    nonmated: int
    mated: int
    pairs_left_out: NotRequired[int]


class Fusion(TypedDict):
    """How two scores became one."""

    rule: Literal["sum", "weighted", "and", "or"]
    formula: str
    weight: Number
    a: Scale
    b: Scale
    failures: str
    norm: Literal["z", "minmax", "none", "thresholds of A and B"]
    calibration: Calibration | None


class Eer(Measured):
    """Equal error rate in its usual senses."""

    threshold: Number
    false_matches: int
    n_nonmated: int
    false_nonmatches: int
    n_mated: int
    bounds: list[float] | None
    fvc: list[float] | None
    rocch: Number


class Auc(Measured):
    """Area under the ROC."""

    wins: int
    ties: int
    n: int
    bounds: list[float] | None


class MinCllr(Measured):
    """Least cost of scores taken as log-likelihood ratios."""

    bounds: list[float] | None
    n_nonmated: int
    n_mated: int


class Supported(Value):
    """The smallest rate with 30 errors behind it."""

    n: int


class SupportedDownTo(TypedDict):
    """The smallest rates that comparisons can show."""

    fmr: Supported
    fnmr: Supported


class Generalised(TypedDict):
    """Error rates of transactions at a threshold."""

    threshold: float
    gfar: Number
    gfrr: Number
    false_matches: int
    n_nonmated: int
    false_nonmatches: int
    n_mated: int
    reason: str


class AllGeneralised(TypedDict):
    """Error rates of transactions."""

    policy: str
    rates: list[Generalised]


class Summary(OfGroup):
    """Whole curves of everybody, or within a group."""

    failed_policy: Failed
    eer: Eer
    auc: Auc
    min_cllr: MinCllr
    supported_down_to: SupportedDownTo
    fta: Estimate
    generalised: AllGeneralised


class PolicyRates(TypedDict):
    """Both error rates under one policy for failed templates."""

    false_positive: Share
    false_negative: Share


class Policies(TypedDict):
    """Both error rates by policy."""

    reject: PolicyRates
    exclude: PolicyRates
    accept: PolicyRates
    bob: PolicyRates


class FailureRow(OfGroup):
    """Trials with a failed template, by what is done about them."""

    threshold: float
    rank: int | None
    nonmated_failures: Share
    mated_failures: Share
    fta: Share
    rates: Policies


class Failures(TypedDict):
    """Error rates by what is done about failed templates."""

    policies: dict[str, str]
    rows: list[FailureRow]


class RunCounts(TypedDict):
    """What a run counted."""

    mated: int
    mated_scored: int
    pairs: int
    pairs_scored: int
    nonmated: int
    nonmated_scored: int


class Counts(TypedDict):
    """Numbers of images, subjects and pairs."""

    rows: int
    subjects: int
    conventions: dict[str, int]
    run: RunCounts


class Declared(TypedDict):
    """A number that a protocol states."""

    declared: int
    explanation: str


class Concentration(TypedDict):
    """Errors of the subjects that have most of them."""

    subjects: int
    affected: int
    worst: int
    errors: int
    worst_errors: int
    share: Number
    expected: Number
    by_chance: Number
    listed: list[tuple[str, int]]
    reason: str


class SubjectRow(OfGroup):
    """How far the errors of a group rest on few people."""

    threshold: float
    false_matches: Concentration
    false_nonmatches: Concentration


class Subjects(TypedDict):
    """How far errors rest on few people."""

    worst: float
    rows: list[SubjectRow]


class ThresholdInterval(TypedDict):
    """Where a threshold would lie with other people."""

    at: str
    threshold: float
    rate: float
    low: Number
    high: Number
    level: float
    reason: str


class Verify(Head):
    """1:1 comparisons, counted, recorded or fused."""

    kind: Literal["verify"]
    failed_policy: Failed
    excluded: Excluded | None
    cells: list[Cell]
    overall: list[Cell]
    estimates: list[VerifyEstimate]
    ratios: list[Ratio]
    moments: NotRequired[Moments]
    contrasts: NotRequired[list[Contrast]]
    highest: NotRequired[list[Highest]]
    folds: NotRequired[Folds]
    recorded: NotRequired[Recorded]
    fusion: NotRequired[Fusion]
    differentials: NotRequired[list[Differentials]]
    group_thresholds: NotRequired[list[GroupThresholds]]
    summaries: NotRequired[list[Summary]]
    failures: NotRequired[Failures]
    counts: NotRequired[Counts]
    reconciliation: NotRequired[list[Declared]]
    subjects: NotRequired[Subjects]
    threshold_intervals: NotRequired[list[ThresholdInterval]]


# 1:N


class Searches(OfGroup):
    """Searches of a group."""

    mated_searches: int
    mated_unscored: int
    nonmated_searches: int
    nonmated_unscored: int
    false_positives: ByThreshold
    misses_rank1: ByThreshold
    misses: dict[Rank, ByThreshold]
    rank_hits: dict[Rank, int]


class IdentifyEstimate(OfGroup, Estimate):
    """A rate of a group at a threshold, or without."""

    metric: SearchRate
    threshold: Number
    rank: int | None


class SizedRate(OfGroup, Range):
    """A rate in a gallery of another size."""

    size: int
    metric: SearchRate
    rank: int | None
    threshold: Number
    state: Literal["measured", "extrapolated", "not estimable"]
    false_matches: int | None
    searches: int
    model: str


class ModelCheck(OfGroup):
    """How a model did on parts of the gallery."""

    threshold: float
    model: str
    at: float
    tried: int
    held: int
    error: Number
    is_passed: bool


class GallerySizes(TypedDict):
    """Rates at other sizes of the gallery."""

    gallery: int
    unit: str
    rows: list[SizedRate]
    checks: list[ModelCheck]


class Mode(OfGroup):
    """FNIR(N, R, T) of one way to use a system."""

    mode: Literal["identification", "investigation"]
    fpir_at_most: str | None
    gallery: int
    list_length: int
    rank: int
    set_at: SetPoint | None
    fpir: Estimate | None
    fnir: Estimate
    note: str


class RankHits(Estimate):
    """Mated searches whose mate is at a rank or better."""

    rank: int


class Cmc(OfGroup):
    """Cumulative match characteristic of a group."""

    gallery: int
    gallery_subjects: int
    hits: list[RankHits]


class Selectivity(OfGroup, Measured):
    """Candidates that a non-mated search puts before a reviewer."""

    threshold: float
    k: int
    n: int
    gallery: int
    n_censored: int
    is_censored: bool


class Hubness(TypedDict):
    """How often templates are among the first candidates of other people."""

    rows: int
    lists: int
    k: int
    most: int
    never: int
    skewness: Number
    worst: int
    worst_share: Number
    expected_most: int
    reason: str
    template: str | None


class Identify(Head):
    """1:N searches."""

    kind: Literal["identify"]
    gallery: int
    gallery_subjects: int
    gallery_failed: int
    k: int
    ranks: list[int]
    interval: str
    gallery_sizes: NotRequired[GallerySizes]
    groups: list[Searches]
    estimates: list[IdentifyEstimate]
    contrasts: NotRequired[list[Contrast]]
    highest: NotRequired[list[Highest]]
    recorded: NotRequired[Recorded]
    differentials: NotRequired[list[Differentials]]
    group_thresholds: NotRequired[list[GroupThresholds]]
    modes: NotRequired[list[Mode]]
    cmc: NotRequired[list[Cmc]]
    fte: NotRequired[Estimate]
    selectivity: NotRequired[list[Selectivity]]
    failures: NotRequired[Failures]
    hubness: NotRequired[Hubness]


# Times


class Quantile(TypedDict):
    """A percentile of times, with its interval."""

    q: float
    value_ns: Number
    low_ns: Number
    high_ns: Number
    n: int
    level: float
    reason: str


class Timing(OfGroup):
    """Requests of one batch size for probes of a group."""

    batch: int
    requests: int
    probes: NotRequired[int]
    mean_ns: Number
    probes_per_second: Number
    quantiles: list[Quantile]


class Latency(Head):
    """Timed searches."""

    kind: Literal["latency"]
    gallery: int
    dimension: int
    k: int
    batches: list[int]
    isa: str
    timer: str
    warm_up: float
    runs: int
    resolution: str
    groups: list[Timing]


class Sent(TypedDict):
    """Requests that were sent, and what became of them."""

    load: int
    requests: int
    answered: int
    statuses: dict[str, int]
    offered_per_s: float
    achieved_per_s: float
    lag_p99_ns: Number
    is_generator_late: bool


class LoadPoint(Sent):
    """All measurements at one load."""

    rate: Number
    in_flight: int | None


class LoadSecond(TypedDict):
    """Requests of one second."""

    second: int
    requests: int
    failed: int
    median_ns: Number
    p99_ns: Number
    longest_ns: Number


class Measurement(Sent):
    """One measurement at a load, second by second."""

    run: int
    seconds: list[LoadSecond]


class LoadTimes(OfGroup):
    """Times of the requests for probes of a group at one load."""

    load: int
    requests: int
    failed: int
    probes: int
    mean_ns: Number
    quantiles: list[Quantile]
    quantiles_answered: list[Quantile]


class LoadTrial(TypedDict):
    """A rate that was tried."""

    rate: float
    requests: int
    late: int
    is_met: bool
    is_generator_late: bool


class Objective(TypedDict):
    """The highest rate that meets an objective."""

    objective: str
    q: float
    limit_ns: float
    rate: Number
    trials: list[LoadTrial]


class Load(Head):
    """Requests that were sent to a server at a rate."""

    kind: Literal["load"]
    gallery: str
    dimension: int
    scenario: Literal["single-stream", "multi-stream", "server", "offline"]
    k: int
    batch: int
    mix: Literal["natural", "balanced"]
    seconds: float
    warm_up_s: float
    connections: int
    timeout_s: float
    timer: str
    meaning: str
    runs: int
    resolution: str
    saturation_per_s: Number
    loads: list[LoadPoint]
    groups: list[LoadTimes]
    measurements: list[Measurement]
    slo: Objective | None


# Exact searches beside others


class Speed(TypedDict):
    """Searches a second."""

    per_s: Number
    low: Number
    high: Number
    searches: int
    passes: int
    threads: int
    reason: str


class Approximate(TypedDict):
    """The index that proposed candidates."""

    index: str
    library: str
    parameters: dict[str, int]
    proposals: int
    seed: int
    order: str
    threads: int
    workers: NotRequired[int]
    effort: NotRequired[str]


class Reduced(TypedDict):
    """How rows were stored."""

    format: str
    dimensions: int
    bytes_per_row: int
    kept: Number


class System(TypedDict):
    """One way to search, beside the exact one."""

    name: str
    effort: NotRequired[int]
    approximate: NotRequired[Approximate]
    reduced: NotRequired[Reduced]
    queries: Speed


class Net(TypedDict):
    """The rate of the other search less that of the exact one, paired."""

    difference: Number
    low: Number
    high: Number
    error: Number
    p: Number
    detectable: Number
    ratio: Number
    ratio_low: Number
    ratio_high: Number
    level: float
    method: str
    reason: str
    ratio_reason: str


class BothRates(OfGroup):
    """One rate of one group in both searches."""

    system: str
    metric: SearchRate
    rank: int | None
    exact: Estimate
    other: Estimate
    net: Net


class ShortcutRow(BothRates):
    """Both rates at one threshold, and the searches that only one gets wrong."""

    threshold: Number
    added: Estimate
    removed: Estimate


class OwnThreshold(BothRates):
    """Both rates, each at a threshold that its search set."""

    at: str
    thresholds: list[float]


class Gap(OfGroup):
    """A group against the one with most subjects."""

    system: str
    metric: SearchRate
    threshold: Number
    rank: int | None
    reference: str
    level: float
    exact: Interval
    other: Interval
    added: Interval
    removed: Interval
    opens: bool
    hides: bool


class GroupSearches(OfGroup):
    """Searches of a group."""

    mated: int
    nonmated: int


class Enrolled(OfGroup):
    """Templates of a group in the gallery."""

    templates: int
    subjects: int


class WorkerIndex(TypedDict):
    """The index of a worker."""

    rows: int
    nbytes: int
    seconds: float


class Recall(OfGroup):
    """How many of the best rows a search returned."""

    system: str
    k: int
    mean: Estimate
    lowest: Number


class GroupShare(OfGroup, Estimate):
    """A share of a group."""


class Reach(TypedDict):
    """Members of the gallery that searches do not return."""

    effort: str
    highest: str
    not_by_itself: list[GroupShare]
    never: list[GroupShare]
    members: list[str]


class InsertionOrder(OfGroup):
    """What other orders of insertion change."""

    system: str
    changed: Estimate
    flipped: Estimate
    missed: list[int]


class Shortcut(Head):
    """Exact searches beside those of an index, or of templates in fewer bits."""

    kind: Literal["ann", "precision"]
    gallery: int
    gallery_subjects: int
    gallery_failed: int
    k: int
    ranks: list[int]
    interval: str
    threshold_rule: str
    dimension: int
    searches: list[GroupSearches]
    systems: list[System]
    rows: list[ShortcutRow]
    gaps: list[Gap]
    exact_queries: Speed
    exact_bytes: int
    enrolled: list[Enrolled]
    approximate: NotRequired[Approximate]
    index_bytes: NotRequired[int]
    build_s: NotRequired[float]
    worker_indexes: NotRequired[list[WorkerIndex]]
    recall: NotRequired[list[Recall]]
    reach: NotRequired[Reach]
    rebuilds: NotRequired[int]
    orders: NotRequired[list[InsertionOrder]]
    own_thresholds: NotRequired[list[OwnThreshold]]


Results: TypeAlias = Verify | Identify | Latency | Load | Shortcut


class Contrasts(TypedDict):
    """What is said of groups against each other; nothing without groups."""

    contrasts: NotRequired[list[Contrast]]
    highest: NotRequired[list[Highest]]


Rates: TypeAlias = Verify | Identify
AnyContrast: TypeAlias = Contrast | Ratio


def estimate(found: Range, *, k: int, n: int, level: float, n_subjects: int | None = None) -> Estimate:
    """An estimate of counts that were summed or cut, without a word on how its interval was made."""
    counts = {"k": k, "n": n, "n_effective": None, "n_subjects": n_subjects, "level": level, "method": ""}
    return cast("Estimate", {**found, **counts})


def results_of(read: Mapping[str, Any]) -> Results:
    """What was read from `results.json`, with its type."""
    return cast("Results", read)
