"""What the page says of a threshold: every form of words, and no statement that the counts do not support."""

from __future__ import annotations

import re
from string import Formatter

import numpy as np
import pytest

from frbench.page.claims import TEMPLATES, Claim, claims, fill, in_words
from frbench.page.explored import Curve, Explored, RatioCurve, Row
from frbench.page.operation import Range, Setting
from frbench.page.words import percent
from frbench.reading.rate import Rate

NAN = float("nan")
FMR, FNMR, FPIR, FNIR = Rate("fmr"), Rate("fnmr"), Rate("fpir"), Rate("fnir", rank=1)
EVERYBODY = Row("all", "overall", "all pairs")
WOMEN, MEN = Row("sex", "f", "female"), Row("sex", "m", "male")
VERIFICATION = Setting(1, 1000, 0.9)
Numbers = tuple[int, int, float, float]


def curve(rate: Rate, row: int, found: Numbers, reason: str = "") -> Curve:
    """k, n, low and high at the only stop."""
    k, n, low, high = found
    return Curve(rate, row, row, n, 10, np.array([k]), np.array([low]), np.array([high]), (reason,))


def ratio(
    rate: Rate, low: float, high: float, *, detectable: float = NAN, reason: str = "", row: int = 1
) -> RatioCurve:
    """Of `row` over the last row, at the only stop."""
    return RatioCurve(rate, row, 2, np.array([low]), np.array([high]), np.array([detectable]), (reason,))


def explored(
    rates: tuple[Rate, Rate], curves: list[Curve], ratios: list[RatioCurve], *, kind: str = "verify"
) -> Explored:
    """Everybody, women and men at one stop."""
    return Explored(
        kind, np.array([0.5]), (EVERYBODY, WOMEN, MEN), rates, tuple(curves), tuple(ratios), (), (0,), False
    )


FALSE_MATCHES = [(87_307, 87_307_271, 7.38e-4, 1.35e-3), (19_441, 4_372_477, 3.49e-3, 5.67e-3),
                 (62_015, 52_478_334, 8.1e-4, 1.72e-3)]  # fmt: skip
NON_MATCHES = [(13_230, 242_257, 0.0283, 0.103), (471, 9803, 0.0245, 0.0921), (12_758, 232_444, 0.0253, 0.115)]


def example(ratios: list[RatioCurve]) -> Explored:
    """The counts of the example at one false match in a thousand."""
    curves = [curve(FMR, i, found) for i, found in enumerate(FALSE_MATCHES)]
    curves += [curve(FNMR, i, found) for i, found in enumerate(NON_MATCHES)]
    return explored((FMR, FNMR), curves, ratios)


def searched(ratios: list[RatioCurve], misses: list[Numbers] | None = None) -> Explored:
    """Searches of the same people."""
    alarms = [(104, 1047, 0.0805, 0.122), (39, 280, 0.102, 0.187), (65, 767, 0.0655, 0.109)]
    misses = misses or [(2181, 7437, 0.258, 0.332), (340, 1477, 0.19, 0.276), (1841, 5959, 0.266, 0.356)]
    curves = [curve(FPIR, i, found) for i, found in enumerate(alarms)]
    return explored(
        (FPIR, FNIR), [*curves, *(curve(FNIR, i, found) for i, found in enumerate(misses))], ratios, kind="identify"
    )


def test_a_difference_that_was_shown_is_said_with_its_counts():
    """19,441 / 4,372,477 over 62,015 / 52,478,334 is 3.76."""
    said = claims(example([ratio(FMR, 2.62, 5.4)]), 0, VERIFICATION)

    assert said[2] == Claim(
        "Two people labelled female are 2.6 to 5.4 times as likely to be falsely matched with each other as two "
        "labelled male: 19,441 of 4,372,477 against 62,015 of 52,478,334 (95% interval; ratio 3.8)."
    )


def test_a_difference_that_was_not_shown_is_grey_with_what_would_have_been():
    """An interval around 1 is no difference detected, and no proof of none."""
    said = claims(example([ratio(FNMR, 0.445, 1.7, detectable=2.92)]), 0, VERIFICATION)

    assert said[2] == Claim(
        "False non-matches: no difference was detected between female and male, 0.45 to 1.7 times as likely (471 of "
        "9,803 against 12,758 of 232,444; 95% interval). A ratio of 2.92 would have been detected, with 80% power.",
        is_shown=False,
    )
    said = claims(example([ratio(FNMR, 0.445, 1.7)]), 0, VERIFICATION)
    assert said[2].text.endswith("No ratio can be named that would have been detected.")


def test_no_statement_is_made_without_an_interval():
    """The reason stands in its place, in grey."""
    why = "0 false matches of female; the ratio is below 1200 at 95%"

    assert claims(example([ratio(FMR, NAN, NAN, reason=why)]), 0, VERIFICATION)[2] == Claim(
        "False matches: nothing is shown of female against male, 0 false matches of female; the ratio is below 1,200 "
        "at 95% (19,441 of 4,372,477 against 62,015 of 52,478,334).",
        is_shown=False,
    )


def test_rates_of_everybody_come_first():
    """FMR with an exponent, FNMR as a percentage, both with interval and counts."""
    said = claims(example([]), 0, VERIFICATION)

    assert [c.text for c in said[:2]] == [
        "Of comparisons of two different people, 1.00e-3 (95% interval 7.38e-4 to 1.35e-3; 87,307 of 87,307,271) were "
        "falsely matched.",
        "Of comparisons of one person with themselves, 5.46% (95% interval 2.83% to 10.3%; 13,230 of 242,257) were not "
        "matched.",
    ]


def test_a_day_of_verification():
    """1,000 attempts, 100 of others at 7.38e-4 to 1.35e-3: 0.0738 to 0.135 false matches."""
    assert claims(example([]), 0, VERIFICATION)[-1] == Claim(
        "If 1,000 attempts a day are compared with a gallery of 1, 90.0% of them by people who are enrolled, expect "
        "0.0738 to 0.135 false matches a day; 99.98% to 99.99% of what is accepted is right."
    )


def test_searches_are_said_of_the_gallery():
    """Ratios of false alarms and of misses, the last with its rank."""
    said = claims(
        searched([ratio(FPIR, 1.12, 2.39), ratio(FNIR, 0.59, 0.93)]), 0, Setting(4749, 1000, 0.1), gallery=4749
    )

    assert [c.text for c in said] == [
        "Of searches for people who are not in this gallery, 9.93% (95% interval 8.05% to 12.2%; 104 of 1,047) raised "
        "a false alarm.",
        "Of searches for people who are in this gallery, 29.3% (95% interval 25.8% to 33.2%; 2,181 of 7,437) missed "
        "them at rank 1.",
        "A person labelled female who is not in this gallery is 1.1 to 2.4 times as likely to raise a false alarm as "
        "one labelled male: 39 of 280 against 65 of 767 (95% interval; ratio 1.6).",
        "A person labelled female who is in this gallery is 0.59 to 0.93 times as likely to be missed, at rank 1, as "
        "one labelled male: 340 of 1,477 against 1,841 of 5,959 (95% interval; ratio 0.75).",
        # 900 at 8.05% to 12.2%; 66.8 to 74.2 of 100 found: 66.8 / (66.8 + 109.8) and 74.2 / (74.2 + 72.45).
        "If 1,000 searches a day are made in this gallery of 4,749, 10.0% of them for people who are in it, expect "
        "72.5 to 110 false alarms a day; 37.8% to 50.6% of alarms are for people who are in it.",
    ]
    assert all(c.is_shown for c in said)


def test_another_gallery_was_not_measured():
    """Ten times the gallery: from as many false alarms to ten times as many, in grey, and never an estimate."""
    said = claims(searched([]), 0, Setting(47_490, 1000, 0.1), gallery=4749)[-1]

    assert said == Claim(
        "In a gallery of 47,490 nothing was measured, only in one of 4,749. Whatever the scores, if 1,000 searches a "
        "day are made, 10.0% of them for people who are in it, expect 72.5 to 900 false alarms a day; at most 50.6% of "
        "alarms are for people who are in it.",
        is_shown=False,
    )


def test_no_error_is_a_bound():
    """0 of 52 is at most 5.6%, and not a rate of zero."""
    found = explored((FMR, FNMR), [curve(FMR, i, (0, 52, 0.0, 0.056)) for i in range(3)]
                     + [curve(FNMR, i, (9, 9, 0.717, 1.0)) for i in range(3)], [])  # fmt: skip
    said = claims(found, 0, VERIFICATION)

    assert (
        said[0].text
        == "Of comparisons of two different people, at most 5.60e-2 (95% bound; none of 52) were falsely matched."
    )
    assert said[1].text == (
        "Of comparisons of one person with themselves, at least 71.7% (95% bound; all of 9) were not matched."
    )
    assert "expect at most 5.60 false matches a day" in said[2].text


def test_what_cannot_be_estimated_is_grey():
    """Without trials, or at an end without a bound, there is no rate; without an interval it stands bare."""
    few = "interval not estimable: subjects in 3 blocks, at least 8 are needed"
    curves = [curve(FMR, i, (0, 0, NAN, NAN), "0 non-mated comparisons") for i in range(3)]
    curves += [curve(FNMR, i, (2, 50, NAN, NAN), few) for i in range(3)]
    said = claims(explored((FMR, FNMR), curves, []), 0, VERIFICATION)

    assert said == [
        Claim(
            "What share of comparisons of two different people is falsely matched is not shown: 0 non-mated "
            "comparisons.",
            is_shown=False,
        ),
        Claim(f"Of comparisons of one person with themselves, 4.00% ({few}; 2 of 50) were not matched."),
        Claim("What a day of use brings is not shown: 0 non-mated comparisons.", is_shown=False),
    ]


def test_many_groups_are_counted_and_the_largest_ratio_is_said():
    """Of six groups two are higher, one lower, two not different, and one not estimable."""
    rows = (EVERYBODY, *(Row("region", x, x) for x in "abcdefz"))
    ks = (700, 10, 60, 5, 12, 13, 20, 10)
    curves = [curve(rate, i, (k, 1000, 0.001, 0.1)) for rate in (FMR, FNMR) for i, k in enumerate(ks)]
    ends = [(0.5, 2.0), (3.0, 9.0), (0.2, 0.8), (0.7, 1.9), (NAN, NAN), (1.1, 3.0)]
    ratios = [
        RatioCurve(FMR, i, 7, np.array([low]), np.array([high]), np.array([NAN]), ("why",))
        for i, (low, high) in enumerate(ends, 1)
    ]
    found = Explored("verify", np.array([0.5]), rows, (FMR, FNMR), tuple(curves), tuple(ratios), (), (0,), False)

    said = [c.text for c in claims(found, 0, VERIFICATION)]
    assert said[2] == (
        "False matches: of 6 groups of region held against z, 2 are higher, 1 lower, for 2 no difference was detected, "
        "and of 1 nothing is shown."
    )
    # Shown to be higher: b with 60 of 1,000, and f with 20, against 10.
    assert said[3].startswith("Two people labelled b are 3.0 to 9.0 times as likely")
    assert said[3].endswith("60 of 1,000 against 10 of 1,000 (95% interval; ratio 6.0).")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Range(0.2, 0.1, 0.3), "10.0% to 30.0%"),
        (Range(None, 0.0, 0.3), "at most 30.0%"),
        (Range(0.2, None, None), "about 20.0%"),
        (Range(None, None, None), "an unknown share"),
        (Range(None, None, 0.5), "an unknown share"),
    ],
)
def test_range_in_words(found: Range, text: str):
    """Both ends, one of them, a number without ends, or nothing."""
    assert in_words(found, percent) == text


def test_labels_fill_slots_and_open_none():
    """A label in braces is text."""
    assert fill("counts", k="{n}", n=2, k_reference=3, n_reference=4) == "{n} of 2 against 3 of 4"


def test_templates_have_slots_that_the_page_fills():
    """Words alone between braces, so that both languages read them alike."""
    for text in TEMPLATES.values():
        for _, name, form, conversion in Formatter().parse(text):
            assert name is None or re.fullmatch(r"\w+", name)
            assert not form
            assert conversion is None


@pytest.mark.parametrize("word", ["bias", "fair", "discriminat", "genuine", "impostor", "woman", "race"])
def test_templates_claim_no_fairness(word: str):
    """A label is a label; counts judge nothing."""
    assert not any(re.search(rf"\b{word}", text, re.IGNORECASE) for text in TEMPLATES.values())
