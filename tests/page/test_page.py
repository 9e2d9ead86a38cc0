"""What a report says, what it never says, and that it needs nothing but itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import altair
import pytest

from frbench.counting.calibrate import OperatingPoint
from frbench.finished_run import FinishedRun
from frbench.moments import Moments, Sums
from frbench.page import render, summary, words
from frbench.page.provenance import LIMITS
from frbench.plan import Cell, Party, Plan
from frbench.results.identify import identify_results
from frbench.results.latency import latency_results
from frbench.results.verify import verify_results
from frbench.runs.manifest import manifest
from frbench.tally import Tally

BLOCKS = 10
HOSTILE = "</script><script>alert('x')</script>&\"<b>"
AXIS = (-1.0, 0.0, 0.5, 0.75, 1.0)
SEXES = (("f",), ("m",))
Counts = Callable[[Cell, int], Sequence[int]]


def plan(kind: Any, groups: tuple[tuple[str, ...], ...], cells: Sequence[Cell], **more: Any) -> Plan:
    """A plan of `groups` (columns sex, region, ...) with 20 people of each group in every block."""
    people = tuple(Party(((g, g),), (20,) * BLOCKS) for g in range(len(groups)))
    columns = ("sex", "region", "age")[: len(groups[0])] if groups else ()
    return Plan(
        kind=kind,
        inputs="0" * 32,
        edges=more.pop("edges", AXIS),
        columns=columns,
        groups=groups,
        cells=tuple(cells),
        trials=(0,) * len(cells),
        subjects=people,
        mated_subjects=people,
        n_blocks=BLOCKS,
        **more,
    )


def counted(of: Plan, counts: Counts) -> Tally:
    """`counts(cell, block)` trials of each bin in every diagonal tile."""
    tiles = [
        Tally.of_tile(of, (b, b), [[*counts(cell, b), *[0] * (of.n_bins - len(counts(cell, b)))] for cell in of.cells])
        for b in range(BLOCKS)
    ]
    return sum(tiles[1:], tiles[0])


def even(cell: Cell, block: int) -> Sequence[int]:
    """Scores by bin; 2 or 3 false matches a block in a group, 1 false non-match, none for group pairs.

    Bins: below -1, -1 to 0, 0 to 0.5, 0.5 to 0.75, 0.75 to 1, 1 and above.
    """
    if cell.mated:
        return (0, 0, 1, 9, 30) if cell.group_a == cell.group_b else ()
    return (0, 400, 97, 2 + (block + cell.group_a) % 2) if cell.group_a == cell.group_b else (0, 900, 100)


def verify(
    groups: tuple[tuple[str, ...], ...] = SEXES,
    counts: Counts = even,
    *,
    groupings: Sequence[tuple[str, ...]] | None = None,
    points: Sequence[OperatingPoint] = (),
    thresholds: Sequence[float] = (0.5,),
    kind: str = "verify",
    failed: Any = "reject",
    details: Mapping[str, Any] | None = None,
) -> FinishedRun:
    """One verify run."""
    n = range(len(groups))
    cells = [Cell(mated, a, b) for mated in (False, True) for a in n for b in n if a <= b and (a == b or not mated)]
    known = {"independent": [100] * len(cells), "independent_nonmated": 100} if kind == "pairs" else {}
    tally = counted(plan(kind, groups, cells, details=known | dict(details or {})), counts)
    chosen = [tally.plan.columns] if groupings is None else groupings
    found = verify_results(tally, thresholds=thresholds, groupings=chosen, points=points, failed=failed)
    return FinishedRun(found, of_manifest(tally), tally)


def identify(groups: tuple[tuple[str, ...], ...] = SEXES, *, failed: int = 0) -> FinishedRun:
    """One identification run at ranks 1 and 5 of a gallery of 1,234; `failed` non-mated probes a group and block."""

    def counts(cell: Cell, block: int) -> Sequence[int]:
        if not cell.mated:
            return (0, 90, 20, 3 + block % 2, 0, 0, failed)
        return [(0, 0, 4, 30), (0, 0, 3, 5), (0, 2)][cell.part]

    details = {"gallery": 1234, "gallery_subjects": 1200, "gallery_failed": 7, "k": 5, "ranks": [1, 5]}
    n = range(len(groups))
    cells = [Cell(False, g, g) for g in n] + [Cell(True, g, g, part) for g in n for part in range(3)]
    tally = counted(plan("identify", groups, cells, details=details), counts)
    points = [OperatingPoint("fpir=0.05", "all non-mated searches", 0.5, 70, 2270)]
    found = identify_results(tally, thresholds=[0.5], groupings=[tally.plan.columns], points=points)
    return FinishedRun(found, of_manifest(tally), tally)


def latency(*, batch: int = 1, probes: Sequence[int] = (70, 80)) -> FinishedRun:
    """One latency run: 60 requests a group, enough for p90 and not for p99."""
    edges = tuple(float(1000 * 2**i) for i in range(12))
    names = ("gallery", "dimension", "k", "batches", "isa", "timer", "warm_up")
    details = dict(zip(names, (1234, 128, 5, [batch], "avx2", "a clock", 0.05), strict=True))
    details["probes"] = list(probes)
    of = plan("latency", SEXES, [Cell(False, g, g) for g in (0, 1)], details=details, edges=edges)
    tally = Tally.of_tile(of, (0, 0), [[0, 0, 30, 20, 10, *[0] * (of.n_bins - 5)]] * 2)
    found = latency_results(tally, groupings=[("sex",)])
    return FinishedRun(found, of_manifest(tally), tally)


def of_manifest(tally: Tally) -> dict[str, Any]:
    """A manifest of a command on one matrix."""
    source = {"path": "a.npy", "sha256": "ab" * 32, "rows": 400, "dtype": "float32", "dimension": 8}
    made = manifest(
        command=["frbench", "verify", "a b.npy"],
        options={"blocks": BLOCKS},
        sources=[],
        engine={"engine": "cpu"},
        plan=tally.plan.digest,
        durations_s={"count": 1.0},
    )
    return made | {"inputs": [source]}


def page_of(*sections: FinishedRun) -> str:
    """The page without its charting library and the scripts of its explorer."""
    found = render(sections, title="A title")
    plain = r'<script(?: type="text/plain" id="library")?>'
    return re.sub(rf"{plain}(?!\s*const specs).*?</script>", "", found, flags=re.DOTALL)


def text_of(page: str) -> str:
    """What a reader sees, white space reduced."""
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    body = re.sub(r'<span class="nb">(.*?)</span>', r"\1", body)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("&#39;", "'").replace("&amp;", "&")


def specs_of(page: str) -> dict[str, Any]:
    """The charts of a page."""
    found = re.search(r"const specs = (.*);\n", page)
    assert found
    specs: dict[str, Any] = json.loads(found[1])
    return specs


class Resources(HTMLParser):
    """Everything a browser would fetch, and every script."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the attributes that load or name something."""
        values = dict(attrs)
        self.scripts += tag == "script"
        self.fetched += [str(v) for k, v in attrs if k in ("src", "srcset", "href", "data", "action", "poster")]
        self.ids += [str(values["id"])] if "id" in values else []
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")


def test_page_needs_nothing_but_itself():
    """Nothing is fetched: the only links are to parts of the page, and its policy forbids all else."""
    page = render([verify(), identify(), latency()], title="A title")

    found = Resources()
    found.feed(page)
    assert all(link.startswith("#") for link in found.fetched)
    assert {link[1:] for link in found.fetched} <= set(found.ids)
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page[: page.index("<body")])
    assert len(page) < 1_500_000


def test_library_is_inlined_once():
    """Three scripts, whatever the number of charts: explorer, library and charts; and data of two runs to explore."""
    found = Resources()
    found.feed(render([verify(), identify(), latency()], title="A title"))

    assert found.scripts == 3 + 2


def test_every_headline_count_is_printed():
    """Each k and n of a rate within a group, of all pairs, and of a ratio stands in the page."""
    section = verify()
    text = text_of(page_of(section))

    for e in section.results["estimates"]:
        assert f"{e['k']:,} / {e['n']:,}" in text
    for r in section.results["ratios"]:
        assert f"{r['k'][0]:,} / {r['n'][0]:,}" in text


def test_every_count_of_searches_is_printed():
    """FPIR, and FNIR at the smallest and the largest rank, with and without threshold."""
    section = identify()
    text = text_of(page_of(section))

    for e in section.results["estimates"]:
        assert f"{e['k']:,} / {e['n']:,}" in text
    assert "every non-mated search with a template returns a full candidate list, so FPIR is 100%, and" in text
    assert "conditional on this gallery" in text
    assert "CMC, N = 1,234" in text
    assert "Failed gallery templates: 7 of 1,234" in text


def test_same_group_rate_stands_beside_the_rate_of_all_pairs():
    """50 false matches in 9,990 pairs within a group, and the same 50 in all 19,990 pairs."""
    # No FNMR of all people of one group is estimated: its counts are a sum of rows.
    # In each group five blocks have 2 and five have 3: 25 of 10 x 497 + 25 = 4,995; f with m adds 10 x 1,000.
    section = verify()
    text = text_of(page_of(section))

    same = section.results["differentials"][0]["impostors"]["same_group"]
    ends = f"{words.scientific(same['low'])} to {words.scientific(same['high'])}"
    assert f"same-group pairs 5.01e-3 1 in 200 {ends} 50 / 9,990 400 people" in text
    assert "2.50% sum of rows, no interval fewer than 30 errors 20 / 800" in text
    assert "50 / 19,990" in text
    assert (
        f"Between people of the same sex, the false match rate was 5.01e-3 (95% interval {ends}; 50 of 9,990)" in text
    )


def test_interval_around_one_says_that_no_difference_was_detected():
    """A ratio of 1.1 from 0.5 to 2.4 is no difference detected, and the ratio that would have been is stated."""
    ratio = {
        "group": ["f", "f"], "reference": ["m", "m"], "value": 1.1, "low": 0.5, "high": 2.42,
        "k": [11, 10], "n": [1000, 1000], "level": 0.95, "reason": "",
    }  # fmt: skip

    said = str(summary.ratio_sentence(ratio))
    assert "no difference was detected" in said
    assert "11 of 1,000 against 10 of 1,000" in said
    # sqrt(2.42 / 0.5) = 2.2: the interval of a ratio r is from r / 2.2 to 2.2 r.
    assert "a ratio above 2.2 or below 0.45 would have been detected" in said
    assert "a ratio of 2.77 would have been detected, with 80% power" in str(
        summary.ratio_sentence(ratio | {"detectable": 2.7749})
    )


def test_interval_above_one_is_a_ratio_with_counts():
    """3.8 times, with its interval and both fractions, and no word on its cause."""
    ratio = {
        "group": ["f", "f"], "reference": ["m", "m"], "value": 3.76, "low": 2.69, "high": 5.26,
        "k": [19441, 62015], "n": [4372477, 52478334], "level": 0.95, "reason": "",
    }  # fmt: skip

    assert str(summary.ratio_sentence(ratio)) == (
        "The false match rate within f was <b>3.8 times</b> that within m (95% interval 2.7 to 5.3): "
        "19,441 of 4,372,477 against 62,015 of 52,478,334."
    )


@pytest.mark.parametrize("word", ["bias", "biased", "fair", "fairness", "discriminat", "genuine", "impostor"])
def test_page_claims_no_fairness(word: str):
    """A report counts; it does not judge."""
    assert not re.search(rf"\b{word}", text_of(page_of(verify(), identify(), latency())), re.IGNORECASE)


def test_no_error_is_not_a_rate_of_zero():
    """0 of 5,000 is printed as none seen, with an upper bound."""
    text = text_of(page_of(verify(counts=lambda cell, _: (0, 0, 0, 50) if cell.mated else (0, 500))))

    assert "none seen at most" in text
    assert "0 / 5,000" in text
    assert "No statement is made on the false match rate within m against that within f" in text


def test_summary_of_no_errors_is_a_bound():
    """Ten people in five pairs that share nobody: 1 - 0.05^(1/5) is 45.1%."""
    none = {"k": 0, "n": 10, "value": 0.0, "low": 0.0, "high": 0.4507, "level": 0.95, "reason": ""}

    assert words.rate_phrase(none) == "<b>at most 45.1%</b> (95% bound; no error in 10)"
    unbounded = none | {"low": None, "high": None, "reason": "interval not estimable"}
    assert words.rate_phrase(unbounded) == "<b>not estimable</b> (interval not estimable; 0 of 10)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9999, "99.99%"),
        (1, "100%"),
        (0.0546, "5.46%"),
        (0.00955, "0.955%"),
        (3e-5, "3.00e-5"),
        (0.0999, "9.99%"),
        (0.000445, "0.0445%"),
    ],
)
def test_percentage_is_never_rounded_to_all(value: float, text: str):
    """Three digits; 100% means every trial."""
    assert words.percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(3.762, "3.8"), (0.0321, "0.032"), (10.49, "10"), (120.4, "120")])
def test_ratio_has_two_digits(value: float, text: str):
    """A ratio is known to about two digits."""
    assert words.digits(value) == text


def test_undefined_rate_is_printed_with_its_reason():
    """A group without mated comparisons has no false non-match rate, and the page says why."""
    text = text_of(page_of(verify(counts=lambda cell, b: () if cell.mated and cell.group_a else even(cell, b))))

    assert "not estimable 0 mated comparisons" in text
    assert "0 / 0" in text


def test_target_that_cannot_be_set_is_printed_with_its_reason():
    """An operating point without a threshold is a line of its own, its numbers readable."""
    reason = "19990 trials cannot show a rate of 1e-9; at least 1000000000 are needed"
    text = text_of(page_of(verify(points=[OperatingPoint("fmr=1e-9", "all non-mated pairs", None, 0, 19990, reason)])))

    assert "No threshold for FMR 1e-9 over all non-mated pairs" in text
    assert "19,990 trials cannot show a rate of 1e-9; at least 1,000,000,000 are needed" in text


def test_run_without_any_threshold_renders():
    """Only refused targets: no table of rates, and charts without marks."""
    points = [OperatingPoint("fmr=1e-9", "all non-mated pairs", None, 0, 19990, "too few")]
    page = page_of(verify(points=points, thresholds=[]))

    assert "too few" in page
    assert "No threshold was reported" in page


def test_threshold_says_where_it_was_set_and_what_it_reached():
    """Population, target, achieved fraction, and the rule of 30."""
    point = OperatingPoint("fmr=1e-3", "non-mated pairs within sex=m", 0.5, 9, 9990)
    text = text_of(page_of(verify(points=[point])))

    assert "Set for FMR 1e-3 over non-mated pairs within sex=m; reached 9.01e-4 there: 9 of 9,990" in text
    assert "Only 9 false positives stand behind this threshold" in text


def test_hostile_labels_are_escaped_everywhere():
    """A label that closes a script opens none, in tables, attributes, sentences and charts."""
    page = page_of(verify(((HOSTILE,), ("m",))), identify(((HOSTILE,), ("m",))))

    found = Resources()
    found.feed(page)
    assert found.scripts == 1 + 2
    assert "<script>alert" not in page
    assert "<b>'" not in page
    assert any(HOSTILE in json.dumps(spec, ensure_ascii=False).replace('\\"', '"') for spec in specs_of(page).values())


def test_hostile_titles_are_escaped():
    """Title and subtitle are text."""
    page = render([verify()], title=HOSTILE, subtitle=HOSTILE)

    assert "<script>alert" not in page


def test_run_without_groups_renders_everything_together():
    """Without a grouping there is one row, a trade-off of all pairs, and no ratio or heat map."""
    page = page_of(verify(groupings=[]))
    text = text_of(page)

    assert "all pairs" in text
    assert "s1-det-all" in specs_of(page)
    assert "as a multiple of" not in text


def test_intersections_render_with_legible_heat_map():
    """Twelve groups of two columns: all names in tables, heat map and legends, each with a look of its own."""
    groups = tuple((sex, region) for sex in ("f", "m") for region in ("n", "e", "s", "w", "c", "o"))
    page = page_of(verify(groups, groupings=[("sex",), ("sex", "region")]))
    text = text_of(page)

    assert all(f"{sex},{region}" in text for sex, region in groups)
    assert "was held against that within" in text
    looks = specs_of(page)["s1-det-sex-region"]["layer"]
    colours = looks[0]["encoding"]["color"]["scale"]["range"]
    dashes = [tuple(d) for d in looks[0]["encoding"]["strokeDash"]["scale"]["range"]]
    assert len(set(zip(colours, dashes, strict=True))) == 13


def test_group_looks_the_same_in_every_section():
    """A group has one colour, dash and shape in the whole report, whatever groups another run has."""
    page = page_of(verify((("a",), ("f",), ("m",))), identify())
    specs = specs_of(page)

    def colour(chart: str) -> Any:
        scale = specs[chart]["layer"][0]["encoding"]["color"]["scale"]
        return dict(zip(scale["domain"], scale["range"], strict=True))["m"]

    assert colour("s1-det-sex") == colour("s2-tradeoff-sex") == colour("s2-cmc-sex")


def test_small_group_stays_in_tables_and_leaves_charts_with_a_note():
    """Four comparisons are no curve."""
    page = page_of(verify(counts=lambda cell, b: (0, 0, 0, 1) * (b < 4) if cell.group_a else even(cell, b)))

    assert "Not drawn, with fewer than 100" in text_of(page)
    assert "m" not in specs_of(page)["s1-det-sex"]["layer"][0]["encoding"]["color"]["scale"]["domain"]


def test_few_listed_pairs_render_without_charts():
    """A list of 20 pairs has tables and no curve, and is called a list."""
    page = page_of(verify((("",),), lambda cell, _: (0, 0, 0, 1) if cell.mated else (0, 1), groupings=[], kind="pairs"))

    assert "20 listed comparisons" in text_of(page)
    assert "const specs" not in page


def excluding(pairs: int, mated: int) -> FinishedRun:
    """A run without some reviewed pairs."""
    section = verify()
    excluded = {
        "file": "a/reviewed.csv",
        "sha256": "cd" * 32,
        "pairs": pairs,
        "mated": mated,
        "nonmated": pairs - mated,
    }
    return FinishedRun(section.results | {"excluded": excluded}, section.manifest, section.tally)


@pytest.mark.parametrize(
    ("pairs", "mated", "sentence"),
    [
        (12, 0, "12 reviewed pairs of reviewed.csv are excluded from every rate; 0 of them mated."),
        (1, 1, "1 reviewed pair of reviewed.csv is excluded from every rate; 1 of them mated."),
        (1200, 1100, "1,200 reviewed pairs of reviewed.csv are excluded from every rate; 1,100 of them mated."),
    ],
)
def test_excluded_pairs_are_said_in_one_sentence(pairs: int, mated: int, sentence: str):
    """It stands with what was counted, where the page begins; without a list there is none."""
    assert sentence in text_of(page_of(excluding(pairs, mated)))
    assert "excluded from every rate" not in text_of(page_of(verify()))


def test_failed_templates_are_counted_with_their_policy():
    """Comparisons without a score stand in a table of their own with the rule for them."""
    text = text_of(page_of(verify(counts=lambda *_: (0, 400, 90, 5, 0, 0, 3), failed="exclude")))

    assert "30" in text
    assert "are left out of every denominator" in text
    assert "Every comparison has a score" not in text


def test_mean_and_deviation_of_all_scores_are_printed_with_the_checksum():
    """By group: 4 scores of mean .25 and deviation .5, mated ones of mean .75 in f and one alone in m; d' is 1."""
    run = verify()
    sums = {
        (False, 0, 0): Sums(4, 1.0, 1.25),
        (False, 1, 1): Sums(4, 1.0, 1.25),
        (True, 0, 0): Sums(4, 3.0, 3.25),
        (True, 1, 1): Sums(1, 0.75, 0.5625),
    }
    cells = tuple(sums.get(cell[:3], Sums()) for cell in run.tally.plan.cells)
    found = verify_results(
        run.tally, thresholds=[0.5], groupings=[("sex",)], points=[], failed="reject",
        moments=Moments(run.tally.plan, cells, is_checked=True),
    )  # fmt: skip
    text = text_of(page_of(FinishedRun(found, run.manifest, run.tally)))

    few = "only 1 scored mated comparison"
    assert "f 4 0.2500 0.5000 4 0.7500 0.5000 1.00" in text
    assert f"m 4 0.2500 0.5000 1 0.7500 {few} not estimable {few}" in text
    assert "Checksum of the counts passed: in every cell" in text
    assert "Checksum" not in text_of(page_of(run))


def test_results_without_moments_render():
    """Results of an earlier release do not have them."""
    section = verify()
    del section.results["moments"]

    assert "Mean and standard deviation" not in text_of(page_of(section))


def test_refused_percentile_is_printed_with_its_reason():
    """60 requests support p90 and not p99; timer and warm-up are stated."""
    text = text_of(page_of(latency()))

    assert "refused 60 requests, at least 459 are needed" in text
    assert "a clock" in text
    assert "5% of the requests" in text


def test_charts_draw_no_point_without_errors():
    """A count of zero has no place on a logarithm."""
    for name, spec in specs_of(page_of(verify(), identify())).items():
        if "det" in name or "tradeoff" in name:
            rows = [*spec["data"]["values"], *spec["layer"][-1]["data"]["values"]]
            assert rows
            assert all(row["kx"] > 0 and row["ky"] > 0 for row in rows)


def test_charts_are_valid_and_described():
    """Every chart is valid Vega-Lite, fills its container, and has words for those who do not see it."""
    page = page_of(verify(), identify(), latency())

    for name, spec in specs_of(page).items():
        altair.LayerChart.from_dict(spec)
        assert spec["width"] == "container"
        assert f'id="{name}" role="img" aria-label="{spec["description"]}"' in page


def test_limits_and_manifest_are_printed():
    """What is not shown, the command, the inputs with digests and the raw manifest."""
    text = text_of(page_of(verify(), latency()))

    assert all(limit in text for limit in LIMITS)
    assert "frbench verify 'a b.npy'" in text
    assert "ab" * 32 in text
    assert '"schema": "frbench.manifest"' in text.replace("&#34;", '"')


def test_histogram_shares_add_up_to_one():
    """No scored comparison is lost between the bins."""
    specs = specs_of(page_of(verify()))

    for name in ("s1-mated-sex", "s1-non-mated-sex"):
        rows = specs[name]["data"]["values"]
        for group in ("f", "m", "all pairs"):
            total = sum(row["share"] for row in rows if row["g"] == group and "k" in row)
            assert total == pytest.approx(1, abs=1e-3)  # shares are printed with four digits


def test_marked_point_is_the_row_of_the_table():
    """The point of a group at a threshold holds exactly the counts of its row."""
    section = verify()
    marks = specs_of(page_of(section))["s1-det-sex"]["layer"][-1]["data"]["values"]

    rows = {
        (e["group_a"], e["metric"]): (e["k"], e["n"])
        for e in section.results["estimates"]
        if e["grouping"] == "sex" and e["group_a"] == e["group_b"]
    }
    found = {mark["g"]: mark for mark in marks}
    for group in ("f", "m"):
        assert (found[group]["kx"], found[group]["nx"]) == rows[group, "fmr"]
        assert (found[group]["ky"], found[group]["ny"]) == rows[group, "fnmr"]


def rates(*found: tuple[str, int, float | None, float | None]) -> list[tuple[str, dict[str, Any]]]:
    """Estimates over 1,000 trials by group: name, errors and ends of the interval."""
    return [
        (
            name,
            {"k": k, "n": 1000, "value": k / 1000, "low": low, "high": high, "level": 0.95, "reason": "too few blocks"},
        )
        for name, k, low, high in found
    ]


def side_by_side(*found: tuple[str, int, float | None, float | None]) -> str:
    """The sentence on these groups, or nothing."""
    return "".join(summary._side_by_side("FNMR", "sex", rates(*found), "within", has_ratios=False))


def test_group_without_errors_stands_beside_the_others():
    """No error in 1,000 is at most 0.3%, apart from 4% to 6%: the group is named, and nothing is said to overlap."""
    said = side_by_side(("f", 50, 0.04, 0.06), ("m", 0, 0.0, 0.003))

    assert "<b>at most 0.300%</b> (95% bound; no error in 1,000) within m" in said
    assert "Not all intervals overlap" in said


def test_lowest_of_many_groups_may_have_no_errors():
    """Of five groups the one without errors is the lowest."""
    some = [(name, 10 * i, 0.005 * i, 0.02 * i) for i, name in enumerate("bcde", 1)]
    said = side_by_side(*some, ("z", 0, 0.0, 0.003))

    assert "lowest and highest of 5 groups" in said
    assert "no error in 1,000) within z; " in said
    assert "Not all intervals overlap" in said
    assert "All 5 intervals overlap" in side_by_side(*some, ("z", 0, 0.0, 0.03))


def test_group_without_an_interval_is_named_as_left_out():
    """A group that cannot be held against the others is not passed over in silence."""
    said = side_by_side(("f", 50, 0.04, 0.06), ("m", 55, 0.045, 0.07), ("x", 9, None, None))

    assert said.endswith("The intervals overlap; no ratio was estimated. Left out, without an interval: x.")


def test_failed_probes_return_no_candidates_without_a_threshold():
    """40 of 2,310 non-mated probes failed, so a list comes back for 2,270 and FPIR is not 100%."""
    # 2 groups x 10 blocks x (113.5 scored + 2 failed).
    text = text_of(page_of(identify(failed=2)))

    said = "every non-mated search with a template returns a full candidate list, so FPIR is 98.3%"
    assert text.count(f"{said} (2,270 of 2,310; 40 failed)") == 2
    assert "FPIR is 100%" not in text


def test_target_is_met_by_the_population_that_a_threshold_was_set_on():
    """The limit speaks of that population, and only where some threshold was set."""
    refused = OperatingPoint("fmr=1e-9", "all non-mated pairs", None, 0, 19990, "too few")
    reached = OperatingPoint("fmr=1e-3", "non-mated pairs within sex=m", 0.5, 9, 9990)

    assert "by construction" not in text_of(page_of(verify(points=[refused])))
    said = "the rate of the population it was set on meets its target by construction"
    assert said in text_of(page_of(verify(points=[refused, reached])))


def test_people_of_a_list_are_those_of_its_plan():
    """Subjects that occur only in mated pairs take part as well."""
    pairs = verify(kind="pairs", details={"n_subjects": 7777})

    assert "listed comparisons of 7,777 people: 800 mated (of the same person)" in text_of(page_of(pairs))


def test_list_without_labels_says_nothing_of_people():
    """Without labels nobody knows who was compared: comparisons are counted, and no interval is given."""
    unknown = verify((("",),), groupings=[], kind="pairs", details={"n_subjects": 800, "subjects_known": False})
    text = text_of(page_of(unknown))

    assert all(e["n_subjects"] is None and e["low"] is None for e in unknown.results["estimates"])
    assert "5,395 listed comparisons: 400 given as mated and 4,995 as non-mated." in text
    assert "800" not in text
    assert "interval not estimable: people are not known; give --labels" in text
    assert "Comparisons listed as non-mated:" in text
    assert not re.search(r"\d (people|person)\b", text)


def test_search_of_unknown_subjects_renders():
    """An estimate without a number of subjects is printed without one."""
    section = identify()
    for key in ("differentials", "modes"):
        del section.results[key]
    for e in section.results["estimates"]:
        e["n_subjects"] = None

    assert not re.search(r"\d / [\d,]+ \d+ people", text_of(page_of(section)))


def test_threshold_is_exact_wherever_it_stands_alone():
    """Two float32 thresholds that agree in four digits differ in the headings of the summary and in captions."""
    near = (0.9258040189743042, 0.9258041381835938)
    tally = counted(plan("verify", SEXES, [Cell(m, g, g) for m in (False, True) for g in (0, 1)],
                         edges=(-1.0, 0.5, *near, 1.0)), lambda *_: (0, 100, 50, 20, 30))  # fmt: skip
    found = verify_results(tally, thresholds=near, groupings=[("sex",)], points=[], failed="reject")
    page = page_of(FinishedRun(found, of_manifest(tally), tally))
    text = text_of(page)

    assert "At the threshold 0.925804019" in text
    assert "At the threshold 0.925804138" in text
    assert "Dashed lines: 0.925804019 and 0.925804138." in text
    assert {0.925804019, 0.925804138} <= {row["t"] for row in specs_of(page)["s1-det-sex"]["data"]["values"]}


def test_group_with_fewer_probes_than_a_batch_is_noted():
    """Four probes in requests of 64 are the same four again and again."""
    text = text_of(page_of(latency(batch=64, probes=(4, 700))))

    assert "Fewer probes than the batch size of 64. f: each batch repeats the group's 4 probes." in text
    assert "m: each batch" not in text
    assert "Probes distinct" in text


def test_latency_without_numbers_of_probes_renders():
    """Results of an earlier release do not say how many probes there were."""
    section = latency()
    for group in section.results["groups"]:
        group.pop("probes", None)

    text = text_of(page_of(section))
    assert "Probes distinct" not in text
    assert "each batch repeats" not in text
