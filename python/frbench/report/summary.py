"""Summary: what the numbers show, in sentences of fixed form. Says what was counted, and then what it suggests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from frbench.metrics import knows_people
from frbench.plan import ALL, OVERALL
from frbench.report import parts, words
from frbench.report.identify import Identify
from frbench.report.latency import Latency, percentile
from frbench.report.verify import HIGHER, LOWER, NO_DIFFERENCE, NO_STATEMENT, Verify, verdict
from frbench.report.words import rate_phrase
from frbench.results import excluded_in_words
from frbench.tally import Tally

# More groups than this are counted rather than named.
MAX_NAMED = 4
Finding = tuple[str, list[Markup]]


def measured_verify(results: parts.Results, manifest: Mapping[str, Any], tally: Tally) -> str:
    """What was counted, for a newcomer."""
    trials = {c["mated"]: c["trials"] for c in results["overall"]}
    listed = "listed " if tally.plan.kind == "pairs" else ""
    comparisons = words.plural(sum(trials.values()), f"{listed}comparison")
    excluded = excluded_in_words(results)
    after = f" {excluded}" if excluded else ""
    if not knows_people(tally):
        return f"{comparisons}: {trials[True]:,} given as mated and {trials[False]:,} as non-mated.{after}"
    rows = sum(source["rows"] for source in manifest.get("inputs", []) if source.get("dimension"))
    n = tally.plan.details.get("n_subjects")
    of = [words.plural(rows, "template")] if rows and tally.plan.kind == "verify" else []
    of += [] if n is None else [words.people(n)]
    return (
        f"{' of '.join([comparisons, *of])}: {trials[True]:,} mated (of the same person) and "
        f"{trials[False]:,} non-mated (of two different people).{after}"
    )


def measured_identify(results: parts.Results) -> str:
    """What was counted, for a newcomer."""
    total = next(g for g in results["groups"] if g["grouping"] == ALL)
    return (
        f"{total['mated_searches'] + total['nonmated_searches']:,} searches in a gallery of N = "
        f"{results['gallery']:,} templates of {words.plural(results['gallery_subjects'], 'person', 'people')}: "
        f"{total['mated_searches']:,} mated (the person is in the gallery) and {total['nonmated_searches']:,} "
        f"non-mated (the person is not); each returns the {results['k']} best candidates."
    )


def measured_latency(results: parts.Results) -> str:
    """What was timed, for a newcomer."""
    requests = sum(g["requests"] for g in results["groups"] if g["grouping"] == ALL)
    return (
        f"{words.plural(requests, 'timed request')} in {words.plural(results['runs'], 'run')}, each a search for the "
        f"{results['k']} best of N = {results['gallery']:,} templates of dimension {results['dimension']}."
    )


def verify_sentences(view: Verify) -> list[Finding]:
    """What a verify run shows, by threshold."""
    return [(parts.at_threshold(view.results, t), _verify_at(view, t)) for t in view.results["thresholds"]]


def _verify_at(view: Verify, threshold: float) -> list[Markup]:
    fmr, fnmr = (view.within(metric, ALL, ALL, threshold) for metric in ("fmr", "fnmr"))
    found = [
        Markup("The false match rate over all pairs was {}.").format(rate_phrase(fmr, exponent=True)),
        Markup("The false non-match rate was {}.").format(rate_phrase(fnmr)),
    ]
    for grouping in parts.groupings(view.results):
        pooled = view.pooled("fmr", grouping, threshold)
        if pooled["k"]:
            text = "Between people of the same {}, the false match rate was <b>{}</b> ({} of {})."
            share = words.scientific(pooled["value"])
            found.append(
                Markup(text).format(words.grouping(grouping), share, words.count(pooled["k"]), words.count(pooled["n"]))
            )
        ratios = [r for r in view.results["ratios"] if r["grouping"] == grouping and r["threshold"] == threshold]
        found += [ratio_sentence(r) for r in ratios] if len(ratios) <= MAX_NAMED else [_many_ratios(ratios, grouping)]
        found += _misses(view, grouping, threshold)
    return found


def ratio_sentence(ratio: dict[str, Any]) -> Markup:
    """What one ratio says."""
    name, reference = ratio["group"][0], ratio["reference"][0]
    counts = Markup("{} of {} against {} of {}").format(
        *(words.count(x) for pair in zip(ratio["k"], ratio["n"], strict=True) for x in pair)
    )
    if ratio["value"] is None or ratio["low"] is None:
        text = "No statement is made on the false match rate within {} against that within {}: {} ({})."
        return Markup(text).format(name, reference, words.reason(ratio["reason"]), counts)
    value = words.digits(ratio["value"])
    ends = f"{ratio['level']:.0%} interval {words.digits(ratio['low'])} to {words.digits(ratio['high'])}"
    if verdict(ratio) == NO_DIFFERENCE:
        # The half-width of the interval on the logarithm: a ratio that far from 1 has an interval without 1.
        spread = math.sqrt(ratio["high"] / ratio["low"])
        text = (
            "Between the false match rates within {} and within {}, <b>no difference was detected</b> (ratio {}, {}): "
            "{}. A ratio above {} or below {} would have been."
        )
        detectable = (words.digits(spread), words.digits(1 / spread))
        return Markup(text).format(name, reference, value, ends, counts, *detectable)
    text = "The false match rate within {} was <b>{} times</b> that within {} ({}): {}."
    return Markup(text).format(name, value, reference, ends, counts)


def _many_ratios(ratios: list[dict[str, Any]], grouping: str) -> Markup:
    verdicts = [verdict(r) for r in ratios]
    text = Markup(
        "The false match rate within {} groups of {} was held against that within {}: for <b>{}</b> it was higher, "
        "for <b>{}</b> lower, for <b>{}</b> no difference was detected, and for {} no statement is made."
    ).format(
        len(ratios),
        words.grouping(grouping),
        ratios[0]["reference"][0],
        *(verdicts.count(v) for v in (HIGHER, LOWER, NO_DIFFERENCE, NO_STATEMENT)),
    )
    known = [r for r in ratios if r["low"] is not None]
    if not known:
        return text
    largest = ratio_sentence(max(known, key=lambda r: float(r["value"])))
    return text + Markup(" The largest ratio: {}").format(largest)


def _misses(view: Verify, grouping: str, threshold: float) -> list[Markup]:
    """False non-match rates of the groups side by side."""
    found = [(name, view.within("fnmr", grouping, name, threshold)) for name in view.names(grouping)]
    text = "The false non-match rate by {}{} was {}. {}"
    return _side_by_side(text, grouping, found, "within")


def identify_sentences(view: Identify) -> list[Finding]:
    """What an identification run shows, by threshold."""
    first = min(view.ranks)
    miss = view.estimate("fnir", ALL, OVERALL, None, first)
    text = "The mate was not at rank {} or better for {} of mated searches; {}."
    investigation: Finding = ("Without a threshold", [Markup(text).format(first, rate_phrase(miss), view.full_lists())])
    at = [(parts.at_threshold(view.results, t), _identify_at(view, t)) for t in view.results["thresholds"]]
    return [*at, investigation]


def _identify_at(view: Identify, threshold: float) -> list[Markup]:
    first = min(view.ranks)
    fpir = view.estimate("fpir", ALL, OVERALL, threshold)
    fnir = view.estimate("fnir", ALL, OVERALL, threshold, first)
    found = [
        Markup(
            "Searches for people who are not in the gallery raised a false alarm at a rate (FPIR, {}) of {}."
        ).format(view.gallery, rate_phrase(fpir)),
        Markup("Searches for people who are in it missed them, at rank {}, at a rate (FNIR, {}) of {}.").format(
            first, view.gallery, rate_phrase(fnir)
        ),
    ]
    for grouping in parts.groupings(view.results):
        names = view.names(grouping)
        alarms = [(name, view.estimate("fpir", grouping, name, threshold)) for name in names]
        found += _side_by_side("FPIR by {}{} was {}. {}", grouping, alarms, "for")
        misses = [(name, view.estimate("fnir", grouping, name, threshold, first)) for name in names]
        found += _side_by_side(f"FNIR at rank {first} by {{}}{{}} was {{}}. {{}}", grouping, misses, "for")
    return found


def _side_by_side(text: str, grouping: str, found: list[tuple[str, dict[str, Any]]], word: str) -> list[Markup]:
    """Rates of groups in one sentence, if two or more have an interval; of many, the lowest and the highest.

    A group without an error has an interval from 0 and counts as any other.
    """
    known = [(name, e) for name, e in found if e["value"] is not None and e["low"] is not None]
    if len(known) < 2:
        return []
    left_out = [name for name, e in found if e["value"] is None or e["low"] is None]
    of_many, which = "", "The"
    # On a line, intervals that overlap two by two have a point in common.
    overlap = max(e["low"] for _, e in known) <= min(e["high"] for _, e in known)
    if len(known) > MAX_NAMED:
        known.sort(key=lambda pair: (float(pair[1]["value"]), float(pair[1]["high"])))
        of_many, which = f", lowest and highest of {len(known)} groups,", f"All {len(known)}"
        known = [known[0], known[-1]]
    rates = [Markup("{} {} {}").format(rate_phrase(e), word, name) for name, e in known]
    ending = f"{which} intervals overlap; no ratio was estimated."
    if not overlap:
        ending = "Not all intervals overlap; no ratio was estimated."
    if left_out:
        ending += f" Left out, without an interval: {words.listed(left_out)}."
    return [Markup(text).format(words.grouping(grouping), of_many, Markup("; ").join(rates), ending)]


def latency_sentences(view: Latency) -> list[Finding]:
    """What a latency run shows, by batch size."""
    return [(f"Requests of {words.plural(b, 'probe')}", _latency_of(view, b)) for b in view.results["batches"]]


def _latency_of(view: Latency, batch: int) -> list[Markup]:
    (total,) = view.rows(ALL, batch)
    known = [q for q in total["quantiles"] if q["value_ns"] is not None]
    if not known or total["probes_per_second"] is None:
        return [Markup("No percentile is supported by {}.").format(words.plural(total["requests"], "request"))]
    times = words.listed([f"{words.nanoseconds(q['value_ns'])} ({percentile(q['q'])})" for q in known])
    requests = words.plural(total["requests"], "request")
    speed = f"{total['probes_per_second']:,.0f}"
    text = "A request took <b>{}</b>, over {}; that is {} probes a second, one request at a time."
    return [Markup(text).format(times, requests, speed)]
