"""The coverage study: its truth is the truth, its tables say what was counted, and a short run of it passes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from studies import coverage
from studies.coverage import COMMON, Record, Share, Summary, coverage_table, study
from studies.populations import Population, worlds

from frbench.reading.rate import METRICS
from tests import ROOT

COMMITTED = ROOT / "docs" / "coverage.md"
SMALL = Population("small", (60, 90), COMMON | {"fmr": 5e-3, "fpir": 0.05})
FIELDS = (
    Population("plain", (60, 90), COMMON | {"fmr": 5e-3}),
    Population("clumped", (60, 90), COMMON | {"fmr": 5e-3}, spread=0.3, clump=1.0),
    Population("shared", (80, 80), COMMON | {"fmr": 5e-3}, is_shared=True, ratio=2.0),
)


@pytest.mark.parametrize("population", FIELDS, ids=lambda p: p.name)
def test_the_truth_of_a_population_is_the_mean_of_its_worlds(population: Population):
    """Over 600 worlds the mean rate of every metric and group is the true one, to four of its standard errors."""
    found = {metric: ([], [], []) for metric in METRICS}
    for world in worlds(population, 600, np.random.default_rng(1)):
        for metric in METRICS:
            for g, side in enumerate(coverage.sides(world, metric)):
                found[metric][g].append(side.estimate.value - world.truth[metric][g])
    for metric in METRICS:
        for off in found[metric][:2]:
            assert abs(np.mean(off)) < 4 * np.std(off) / np.sqrt(len(off)), metric


def test_every_trial_of_a_world_touches_one_block_or_two():
    """Errors and trials of blocks are bounded by the totals and sum to between once and twice of them."""
    world = next(worlds(SMALL, 1, np.random.default_rng(1)))
    for tally, twice in ((world.comparisons, True), (world.searches, False)):
        sums = tally.touching.sum(axis=0).astype(int)
        total = tally.total.astype(int)
        assert (tally.touching <= tally.total).all()
        assert (sums >= total).all()
        assert (sums <= (2 if twice else 1) * total).all()
        assert not twice or (sums[:2] > total[:2]).any()
        assert (sums[2:] == total[2:]).all()


def test_the_same_seed_gives_the_same_table():
    """And another gives another."""
    first, again, other = (list(coverage_table(study(SMALL, 20, seed))) for seed in (1, 1, 2))

    assert first == again != other
    assert len(first) == 2 + len(METRICS)


def test_intervals_of_a_short_study_hold_the_truth():
    """400 worlds of 300 and 600 people: each share lies within 91 to 100%, false alarms below 8%.

    The standard error of 95% in 400 is 1.1 points; FNIR has some 15 errors, and its steps make intervals wide.
    """
    for record in study(coverage.POPULATIONS[0], 400):
        for share in (*record.rate, record.ratio, record.difference):
            assert 0.91 <= share.value <= 1, record.metric
        assert record.detected.value < 0.08


def test_a_share_is_counted():
    """Two of three; nothing looked at is no share."""
    share = Share()
    assert np.isnan(share.value)
    for hit in (True, False, True):
        share.add(hit)
    assert (share.value, coverage.percent(share), coverage.percent(Share())) == (2 / 3, "66.7", "-")


def test_the_summary_leaves_out_few_errors():
    """Of a record with errors 20, 30 and of one with 9, 30 only the first counts."""
    many, few = (Record(SMALL, "fmr", errors=[errors]) for errors in ((20, 30), (9, 30)))
    for record, hits in ((many, 95), (few, 10)):
        for share in (*record.rate, record.ratio, record.difference):
            share.hits, share.n = hits, 100
        record.detected.n = 100
        record.detected.hits = 100 - hits

    assert Summary.of([many, few]) == Summary((95, 95), (5, 5), 0, 4)


def test_the_committed_table_is_of_every_population_and_keeps_its_promise():
    """At least 1,000 worlds a row; with ten errors on both sides 93 to 98% and at most 7%, but for one."""
    text = COMMITTED.read_text()
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| .* \| F\w+ \| [\d,]+, [\d,]+ \|", line)]
    n = int(re.search(r"([\d,]+) worlds for each", text).group(1).replace(",", ""))

    assert n >= 1000
    assert {row[0].removeprefix("| ") for row in rows} == {p.name for p in coverage.POPULATIONS}
    assert len(rows) == len(METRICS) * len(coverage.POPULATIONS)
    for row in rows:
        f, m = (int(k.replace(",", "")) for k in row[2].split(", "))
        is_hard = "30 templates" in row[0] and row[1] == "FNMR"
        if min(f, m) >= coverage.ENOUGH and not is_hard:
            assert all(93 <= float(share) <= 98 for share in row[3:7]), row
            alarms = row[8].removesuffix(" |").strip()
            assert not alarms or float(alarms) <= 7, row
