"""What a report says of groups, thresholds, gallery sizes and whole curves, and that results say the same."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import altair
import pytest

from frbench.counting.calibrate import OperatingPoint
from frbench.finished_run import FinishedRun
from frbench.page import differentials, ratios, words
from frbench.page.provenance import GALLERY, SIZES
from frbench.plan import Cell
from tests.page.test_page import even, identify, page_of, specs_of, text_of, verify

SEVEN = tuple((name,) for name in "abcdefg")
EVERYBODY_SET = OperatingPoint("fmr=3e-3", "all non-mated pairs", 0.5, 50, 19990)
ADDED = ("contrasts", "highest", "differentials", "group_thresholds", "summaries", "modes", "cmc", "selectivity", "fte")


def without_errors(cell: Cell, _: int) -> tuple[int, ...]:
    """Scores of a matcher that never errs at 0.5."""
    return (0, 0, 0, 50) if cell.mated else (0, 500)


def one_without(cell: Cell, block: int) -> Any:
    """As `even`, and no false match within the second group."""
    return (0, 400, 100) if not cell.mated and cell.group_a == cell.group_b == 1 else even(cell, block)


def with_key(section: FinishedRun, key: str, value: Any) -> FinishedRun:
    """The run with another value of one key."""
    return FinishedRun(section.results | {key: value}, section.manifest, section.tally)


def without(section: FinishedRun, *keys: str) -> FinishedRun:
    """The run as an older version wrote it."""
    left = {key: value for key, value in section.results.items() if key not in keys}
    return FinishedRun(left, section.manifest, section.tally)


# Differences between groups


def test_pairs_of_one_group_stand_beside_pairs_of_two_and_all_pairs():
    """50 of 9,990 within groups, none of 10,000 between f and m, 50 of 19,990 in all; f takes part in 14,995."""
    # Within each group 4,995 pairs with 25 false matches, see test_report; f with m adds 10,000 without one.
    text = text_of(page_of(verify()))

    assert re.search(r"pairs of one group 5\.01e-3 1 in 200 \S+ to \S+ 50 / 9,990 400 people", text)
    assert re.search(r"pairs of two groups none seen at most \S+ 0 / 10,000 400 people", text)
    assert re.search(r"all pairs 2\.50e-3 1 in 400 \S+ to \S+ 50 / 19,990 400 people", text)
    assert re.search(r"f with anybody 1\.67e-3 1 in 600 \S+ to \S+ fewer than 30 errors 25 / 14,995 200 people", text)


def test_accuracy_stands_before_every_index():
    """Whoever reads of differences has read how many errors there are."""
    text = text_of(page_of(verify()))
    start = text.index("Differences between groups of sex")

    assert text.index("For everybody, the false match rate was 2.50e-3", start) < text.index("max/min", start)


@pytest.mark.parametrize("section", [verify(), verify(counts=one_without), verify(SEVEN), identify()])
def test_every_index_is_printed_as_results_have_it(section: FinishedRun):
    """Value, interval, what chance gives and p of each index, or its reason; and each caution."""
    text = text_of(page_of(section))

    for found in section.results["differentials"]:
        for index in found["indices"]:
            row = f"{differentials._name(index)} {words.number(index['value'])} " if index["value"] is not None else ""
            row += "" if index["low"] is None else f"{words.number(index['low'])} to {words.number(index['high'])} "
            if index["expected"] is not None and index["critical"] is not None:
                row += f"{words.number(index['expected'])} {words.number(index['critical'])} "
                row += f"{words.digits(index['p_value'])} "
            assert row in text
            assert words.reason(index["reason"]) in text
            assert index["value"] is not None or index["reason"]
        for caution in found["cautions"]:
            assert words.sentence(words.reason(caution["text"])) in text


def ten_times(cell: Cell, block: int) -> Any:
    """As `even`, with 25 or so false matches a block within the first group."""
    return (0, 400, 75, 25) if not cell.mated and cell.group_a == cell.group_b == 0 else even(cell, block)


def test_index_is_held_against_chance():
    """Ten times the rate is more than chance; seven groups that do not differ are not."""
    alike = text_of(page_of(verify(SEVEN)))
    apart = text_of(page_of(verify(counts=ten_times)))

    assert "no more than chance may show" in alike
    assert "more than chance" not in alike.replace("no more than chance", "")
    assert "more than chance" in apart.replace("no more than chance", "")


def test_indices_of_one_reason_are_one_row():
    """Without any error there is one line for all indices of a rate, with its reason, and no 0 or 1."""
    text = text_of(page_of(verify(counts=without_errors)))

    assert "Of FMR every index not estimable 0 false matches: no errors in any group no statement" in text


def test_cell_without_a_false_match_holds_its_bound():
    """A hatched cell says what a rate of zero is worth; on hover a cell has its interval and its counts."""
    page = unescape(page_of(verify()))
    found = re.search(r'class="empty" title="f with m: none seen, (at most [^,]+), 0 / 10,000">(.*?)</td>', page)

    assert found
    assert found[1] in text_of(found[2])
    assert re.search(r'title="f with f: 5.01e-3, \S+ to \S+, 25 / 4,995"', page)


def test_people_without_a_label_are_in_no_matrix_and_in_no_sentence():
    """Rows without a label are no group: they stay in the tables."""
    page = page_of(verify((("f",), ("m",), ("",))))
    text = text_of(page)
    summary = text[text.index("What this shows At") : text.index("A group is the label in the data.")]

    assert "f with m: " in page
    assert "f with unlabelled: " not in page
    assert "within m" in summary
    assert "unlabelled" not in summary
    assert "Left out of indices of FMR and FNMR: unlabelled (rows without a label are no group)." in text


# Ratios, and what would have been detected

RUNS = [
    verify(),
    verify(SEVEN),
    verify(counts=one_without),
    verify(counts=without_errors),
    identify(),
    identify(SEVEN),
    without(verify(), *ADDED),
]


@pytest.mark.parametrize("section", RUNS)
def test_no_difference_is_never_said_without_what_would_have_been(section: FinishedRun):
    """Everywhere on a page the words are followed by the ratio that would have been detected."""
    text = text_of(page_of(section))

    for found in re.finditer("no difference was detected", text):
        assert re.match(r".{0,140}?would have been", text[found.end() :])


def test_words_on_no_difference_occur():
    """The test above would hold of an empty page."""
    assert all("no difference was detected" in text_of(page_of(section)) for section in RUNS[:2])


@pytest.mark.parametrize("section", RUNS[:6])
def test_every_ratio_is_printed_with_its_smallest_detectable_one(section: FinishedRun):
    """Of both error rates: ratio, interval, detectable ratio, difference and counts are those of the results."""
    text = text_of(page_of(section))

    for c in section.results["contrasts"]:
        row = f"{c['group'][0]} to {c['reference'][0]} "
        if c["value"] is not None:
            row += words.digits(c["value"]) + " "
        if c["low"] is not None:
            row += f"{words.digits(c['low'])} to {words.digits(c['high'])} "
        assert row in text
        if c["detectable"] is not None:
            assert f"a ratio of {words.digits(c['detectable'], 3)} would have been detected, with 80% power" in text
        if c["difference"]["low"] is not None:
            low, high = (words.signed(c["difference"][end]) for end in ("low", "high"))
            assert f"{words.signed(c['difference']['value'])} {low} to {high} " in text
        assert f"{c['k'][0]:,} / {c['n'][0]:,} {c['k'][1]:,} / {c['n'][1]:,}" in text


def test_groups_that_may_have_the_highest_rate_are_named():
    """Two groups with as many false matches: either may be the highest."""
    text = text_of(page_of(verify()))

    assert "The highest false match rate may be that of any of f and m (95%, all groups together)." in text


def test_ratio_without_a_known_power_says_so():
    """None is not a number: where nothing would have been detected, or it is not known, the page has words."""
    ratio = {"value": 1.0, "low": 0.1, "high": 10.0, "detectable": None}

    assert ratios.power(ratio) == "no ratio can be named that would have been detected"


def test_results_of_older_versions_render_without_the_new_parts():
    """No key, no part."""
    text = text_of(page_of(without(verify(), *ADDED), without(identify(), *ADDED)))

    for title in ("Who is compared", "Indices", "What each group", "Whole curves", "Ways to use it", "Other gallery"):
        assert title not in text
    assert "sum of rows, no interval" in text
    assert "no ratio was estimated" in text


# Thresholds by group


def test_threshold_that_every_group_needs_is_said_with_who_needs_it():
    """FMR 3e-3: 50 / 19,990 = 2.5e-3 holds it at 0.5, 25 / 4,995 = 5e-3 does not; 0.75 has no false match."""
    text = text_of(page_of(verify(points=[EVERYBODY_SET])))

    said = "at most 3e-3 within every group of sex takes the threshold 0.75 , which f needs; 0 false matches there"
    assert text.count(said) == 2
    assert re.search(r"everybody 0\.5 2\.50e-3 1 in 400 \S+ to \S+ 50 / 19,990", text)
    assert re.search(r" f 0\.75 none seen at most \S+ 0 / 4,995", text)


def test_every_group_at_every_threshold_is_a_cell():
    """Rows are thresholds, columns groups: 5e-3 within f at everybody's threshold is above 3e-3 and says so."""
    section = verify(points=[EVERYBODY_SET])
    page = unescape(page_of(section))

    (found,) = section.results["group_thresholds"]
    assert len(found["rates"]) == 9
    for one in found["rates"]:
        set_on, group = (name.replace("overall", "everybody") for name in (one["set_on"], one["group"]))
        head = f'title="{group} at {words.exact(one["threshold"])}, set on {set_on}: '
        cell = page[page.index(head) : page.index("</td>", page.index(head))]
        assert f"{one['fmr']['k']:,} / {one['fmr']['n']:,}" in cell
        assert f"FNMR {words.rate_cell(one['fnmr']).value}" in cell
        assert ("above the target" in cell) == (one["fmr"]["k"] / one["fmr"]["n"] > 3e-3)


def test_target_that_a_group_cannot_show_is_refused_in_words():
    """4,995 comparisons show nothing of 1e-4."""
    text = text_of(page_of(verify(points=[OperatingPoint("fmr=1e-4", "all non-mated pairs", 0.75, 0, 19990)])))

    assert "An FMR of at most 1e-4 within every group of sex cannot be promised: not every group can show" in text
    assert "f no threshold 4,995 trials cannot show a rate of 1e-4" in text


# Gallery sizes


def sized(size: int, value: float | None, **more: Any) -> dict[str, Any]:
    """A rate at one size of gallery, as results.json has it."""
    row = {"size": size, "metric": "fpir", "rank": None, "threshold": 0.5, "grouping": "all", "group": "overall"}
    rest = {"state": "measured", "value": value, "low": None, "high": None, "false_matches": 70, "searches": 2270}
    return row | rest | {"model": "", "reason": ""} | more


def misses(size: int, value: float | None, threshold: float | None) -> dict[str, Any]:
    """FNIR at rank 1."""
    state = "not estimable" if value is None else "measured"
    reason = "FNIR is not extrapolated; it is no lower than at 1234 rows" if value is None else ""
    more = {"metric": "fnir", "rank": 1, "threshold": threshold, "false_matches": None, "searches": 800}
    return sized(size, value, state=state, reason=reason, **more)


SIZED = {
    "gallery": 1234,
    "unit": "gallery rows",
    "rows": [
        sized(100, 0.0025, low=0.001, high=0.004),
        sized(1234, 0.0308, low=0.02, high=0.045),
        sized(50000, 0.41, low=0.031, high=0.7, state="extrapolated", model="extreme value"),
        sized(10**7, 1.0, low=0.031, high=1.0, state="extrapolated", model="extreme value"),
        sized(1234, 0.02, low=0.01, high=0.04, grouping="sex", group="f", false_matches=25, searches=1135),
        sized(50000, None, state="not estimable", reason="3 false matches: too few", grouping="sex", group="f",
              false_matches=3, searches=1135),
        *(row for t in (0.5, None) for row in (misses(100, 0.05, t), misses(1234, 0.07, t), misses(50000, None, t),
                                               misses(10**7, None, t))),
        *(row | {"grouping": "sex", "group": "f"} for t in (0.5, None)
          for row in (misses(100, 0.06, t), misses(1234, 0.08, t), misses(50000, None, t), misses(10**7, None, t))),
    ],
    "checks": [
        {"grouping": "all", "group": "overall", "threshold": 0.5, "model": "extreme value", "at": 0.45, "tried": 29,
         "held": 27, "error": 0.5, "is_passed": True},
        {"grouping": "sex", "group": "f", "threshold": 0.5, "model": "power law", "at": 0.5, "tried": 10, "held": 3,
         "error": None, "is_passed": False},
    ],
}  # fmt: skip


def sizes() -> FinishedRun:
    """A run with other gallery sizes."""
    return with_key(identify(), "gallery_sizes", SIZED)


def test_measured_and_extrapolated_rates_are_told_apart_in_the_table():
    """Every rate with where it comes from and the false matches behind it."""
    text = text_of(page_of(sizes()))

    assert "100 0.250% 0.100% to 0.400% measured 70 2,270 searches 5.00%" in text
    assert "50,000 41.0% 3.10% to 70.0% extrapolated extreme value 70 2,270 searches not estimable" in text
    assert "10,000,000 above 99.99% 3.10% to 100% extrapolated" in text
    assert "FNIR is not extrapolated; it is no lower than at 1,234 rows." in text
    assert "FNIR at rank 1 without a threshold, by size of the gallery" in text


def test_refused_size_is_a_sentence_and_models_show_their_checks():
    """Who has no rate at a larger gallery and why; how often each model held, e^0.5 = 1.65 off on average."""
    text = text_of(page_of(sizes()))

    assert "FPIR of a larger gallery is not estimable for f: 3 false matches: too few." in text
    assert "all searches extreme value 0.45 27 of 29 1.65 yes" in text
    assert "f power law 0.5 3 of 10 not estimable no" in text


def test_chart_of_sizes_draws_what_is_extrapolated_dashed_and_hollow():
    """Both axes are logarithmic; solid lines end at the gallery that was searched, where a word says what follows."""
    spec = specs_of(page_of(sizes()))["s1-sizes-sex-1"]
    altair.LayerChart.from_dict(spec)

    lines = [layer for layer in spec["layer"] if layer.get("mark", {}).get("type") == "line"]
    solid, dashed = lines
    assert {row["size"] for row in solid["data"]["values"]} == {100, 1234}
    assert {row["size"] for row in dashed["data"]["values"]} == {1234, 50000, 10**7}
    assert dashed["mark"]["strokeDash"] != solid["mark"]["strokeDash"] == [1, 0]
    (dots,) = [layer for layer in spec["layer"] if layer.get("mark", {}).get("type") == "point"]
    assert dots["encoding"]["fill"]["condition"]["test"] == "datum.state == 'extrapolated'"
    assert {dots["encoding"][axis]["scale"]["type"] for axis in "xy"} == {"log"}
    assert "extrapolated" in str(spec["layer"][-1]["layer"])
    assert "extrapolated (dashed)" in spec["description"]
    drawn = [(row["size"], row["value"], row["low"], row["high"]) for row in spec["data"]["values"]]
    known = [(r["size"], r["value"], r["low"], r["high"]) for r in SIZED["rows"] if r["metric"] == "fpir"]
    assert drawn == [row for row in known if row[1]]


def test_what_is_not_shown_follows_what_is_there():
    """A page with larger galleries does not say that none was extrapolated."""
    assert GALLERY in text_of(page_of(identify()))
    text = text_of(page_of(sizes()))
    assert SIZES in text
    assert GALLERY not in text


# Whole curves, folds, modes


def test_coarse_axis_has_bounds_and_a_reason_in_place_of_an_equal_error_rate():
    """Five thresholds show no curve."""
    section = verify()
    text = text_of(page_of(section))

    (low, high) = (words.percent(end) for end in section.results["summaries"][0]["eer"]["bounds"])
    reason = section.results["summaries"][0]["eer"]["reason"]
    assert f"all pairs not estimable {reason} between {low} and {high}" in text


def test_equal_error_rate_is_printed_in_all_its_senses_with_both_counts():
    """Value, interval, hull, FVC2000's interval, threshold, both fractions; AUC and min Cllr with what bins leave."""
    section = verify()
    ends = {"low": 0.006, "high": 0.011, "reason": "", "level": 0.95}
    first = section.results["summaries"][0]
    eer = first["eer"] | ends | {"value": 0.0082, "rocch": 0.0083, "fvc": [0.0081, 0.0084], "threshold": 0.909,
                                 "false_matches": 82, "n_nonmated": 10000, "false_nonmatches": 7, "n_mated": 850,
                                 "bounds": [0.008, 0.0085]}  # fmt: skip
    auc = first["auc"] | ends | {"value": 0.9999996, "low": 0.9982, "high": 0.9998, "bounds": [0.99936, 0.99941]}
    cllr = first["min_cllr"] | ends | {"value": 0.0513, "low": 0.0354, "high": 0.0743, "bounds": [0.0496, 0.0513]}
    text = text_of(page_of(with_key(section, "summaries", [first | {"eer": eer, "auc": auc, "min_cllr": cllr}])))

    assert "all pairs 0.820% 0.600% to 1.10% 0.830% 0.810% to 0.840% 0.909 82 / 10,000 7 / 850" in text
    row = "all pairs 0.9999996 0.99820 to 0.99980 0.99936 to 0.99941 0.0513 0.0354 to 0.0743 0.0496 to 0.0513"
    assert row in text


def test_smallest_rate_with_thirty_errors_is_printed():
    """30 / 4,995 = 6.01e-3 of non-mated and 30 / 400 = 7.5e-2 of mated comparisons within f."""
    text = text_of(page_of(verify()))

    assert "f 6.01e-3 4,995 7.50e-2 400" in text


def test_group_without_a_curve_is_a_sentence():
    """Groups of one reason together; nothing is 0."""
    text = text_of(page_of(verify(counts=lambda cell, b: () if cell.mated and cell.group_a else even(cell, b))))

    assert "EER, AUC and min Cllr of m: not estimable, 0 mated trials." in text


def test_failures_to_acquire_are_printed_with_generalised_rates():
    """Three of 498 comparisons of each cell failed; the policy stands below."""
    section = verify(counts=lambda *_: (0, 400, 90, 5, 0, 0, 3))
    text = text_of(page_of(section))

    first = section.results["summaries"][0]
    (at,) = first["generalised"]["rates"]
    share = f"{first['fta']['k']:,} / {first['fta']['n']:,}"
    assert f"{share} {words.scientific(at['gfar'])} {words.percent(at['gfrr'])}" in text
    assert "GFAR = FMR (1 - FTA)" in text
    assert "Failures to acquire, and" not in text_of(page_of(verify()))


FOLD = {"name": "1", "threshold": 0.9071, "n_tied": 2, "correct": 591, "n": 600, "n_mated": 300, "least": 588}
FOLDS = {
    "mean": 0.98717, "standard_error": 0.001877, "least": 0.985, "most": 0.98717, "n_unscored": 4, "failed": "reject",
    "folds": [FOLD | {"most": 591}, FOLD | {"name": "2", "threshold": None, "n_tied": 1, "least": 591, "most": 591}],
    "reason": "",
}  # fmt: skip


def test_accuracy_over_folds_is_printed_with_its_standard_error_and_ties():
    """591 / 600 = 98.5%, and 588 / 600 = 98% at another threshold that was as good."""
    text = text_of(page_of(with_key(verify(), "folds", FOLDS)))

    assert "Mean accuracy over 2 folds was 98.7% , standard error 0.188%; 98.5% to 98.7% at other thresholds" in text
    assert "1 0.9071 98.5% 98.0% to 98.5% 591 / 600 300 mated 2" in text
    assert "2 none accepted 98.5% 591 / 600 300 mated 1" in text


def test_single_fold_has_no_accuracy_and_a_reason():
    """One fold has no others to set a threshold on."""
    reason = "1 fold with pairs that count, at least 2 are needed"
    one = FOLDS | {"mean": None, "standard_error": None, "least": None, "most": None, "folds": [], "reason": reason}

    assert f"Accuracy over folds is not estimable: {reason}." in text_of(page_of(with_key(verify(), "folds", one)))


def test_identification_is_printed_where_its_limit_can_be_set_and_refused_where_not():
    """Every mode of the results: both rates and counts, or the reason."""
    section = identify()
    text = text_of(page_of(section))

    modes = [mode for mode in section.results["modes"] if mode["mode"] == "identification"]
    assert modes
    for mode in modes:
        if mode["set_at"]["threshold"] is None:
            reason = words.reason(mode["set_at"]["reason"])
            assert f"FPIR at most {mode['fpir_at_most']} over all non-mated searches: not estimable, {reason}." in text
        else:
            assert f"{mode['fnir']['k']:,} / {mode['fnir']['n']:,}" in text


def test_hits_by_rank_stand_with_the_size_of_the_gallery():
    """Each share with its interval and its hits, in a table that says N."""
    section = identify()
    text = text_of(page_of(section))

    for group in section.results["cmc"]:
        name = group["group"].replace("overall", "all searches")
        cells = [words.rate_cell(hit) for hit in group["hits"]]
        assert f"{name} {' '.join(f'{c.value} {c.interval} {c.share}' for c in cells)}" in text
    assert "Mate among the first R candidates (CMC, N = 1,234)" in text.replace("\xa0", " ")


def test_full_lists_make_selectivity_a_lower_bound():
    """70 candidates in 2,270 searches, two of whose lists are full: at least 0.0308 a search."""
    found = {"grouping": "all", "group": "overall", "value": 70 / 2270, "low": 0.02, "high": 0.045, "level": 0.95,
             "method": "", "reason": "", "threshold": 0.5, "k": 70, "n": 2270, "gallery": 1234, "n_censored": 2,
             "is_censored": True}  # fmt: skip
    none = found | {"threshold": 0.75, "value": 0.0, "low": None, "high": None, "k": 0, "n_censored": 0,
                    "is_censored": False, "reason": "interval not estimable: no candidates"}  # fmt: skip
    text = text_of(page_of(with_key(identify(), "selectivity", [found, none])))

    assert "all searches at least 0.0308 0.0200 to 0.0450 70 / 2,270 2" in text
    assert "all searches none seen interval not estimable: no candidates 0 / 2,270 0" in text


# Words


@pytest.mark.parametrize(
    ("value", "text"), [(3.7624, "3.762"), (0.9999996, "0.9999996"), (1, "1"), (0, "0"), (1.000043, "1.00004")]
)
def test_index_is_never_rounded_to_equality(value: float, text: str):
    """1 means that groups are equal."""
    assert words.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.00326, "+3.26e-3"), (-0.12, "−12.0%"), (0, "0%")])  # noqa: RUF001
def test_difference_has_a_sign(value: float, text: str):
    """Which of both rates is higher is never left to the reader."""
    assert words.signed(value) == text


def test_nearly_all_is_not_all():
    """1 - 1e-12 is no 100%."""
    assert words.percent(1 - 1e-12) == "above 99.99%"


def test_large_numbers_of_a_reason_have_no_exponent():
    """1.2e+03 is 1,200."""
    assert words.reason("the ratio is below 1.2e+03 at 95%") == "the ratio is below 1,200 at 95%"
