"""Writes what the numbers of a run show, in sentences of fixed form: what was counted, and then what it suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from frbench.page import group_thresholds, parts, ratios, words
from frbench.page.identify import Identify
from frbench.page.latency import Latency, times_listed
from frbench.page.ratios import HIGHER, LOWER, NO_DIFFERENCE, NO_STATEMENT, verdict
from frbench.page.verify import Verify
from frbench.page.words import rate_phrase
from frbench.plan import ALL, OVERALL
from frbench.reading.people import knows_people
from frbench.reading.power import POWER
from frbench.results import types
from frbench.results.types import AnyContrast, Estimate
from frbench.results.verify import excluded_in_words
from frbench.tally import Tally
from frbench.terminal.common import rank_of

# More groups than this are counted rather than named.
MAX_NAMED = 4
Finding = tuple[str, list[Markup]]


def measured_verify(results: types.Verify, manifest: Mapping[str, Any], tally: Tally) -> str:
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


def measured_identify(results: types.Identify) -> str:
    """What was counted, for a newcomer."""
    total = next(g for g in results["groups"] if g["grouping"] == ALL)
    return (
        f"{total['mated_searches'] + total['nonmated_searches']:,} searches in a gallery of N = "
        f"{results['gallery']:,} templates of {words.plural(results['gallery_subjects'], 'person', 'people')}: "
        f"{total['mated_searches']:,} mated (the person is in the gallery) and {total['nonmated_searches']:,} "
        f"non-mated (the person is not); each returns the {results['k']} best candidates."
    )


def measured_latency(results: types.Latency) -> str:
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
            text = "Between people of the same {}, the false match rate was {}."
            found.append(Markup(text).format(words.grouping(grouping), rate_phrase(pooled, exponent=True)))
        found += _held_against(view.results, grouping, threshold, "fmr")
        found += _misses(view, grouping, threshold)
        found += _held_against(view.results, grouping, threshold, "fnmr")
        found += _by_group(view.results, grouping, threshold)
    return found


def _by_group(results: types.Verify, grouping: str, threshold: float) -> list[Markup]:
    """What it takes to hold the target of a threshold within every group."""
    targets = {p["at"] for p in parts.origins(results, threshold)}
    found = results.get("group_thresholds", [])
    return [
        group_thresholds.worst(one) for one in found if one["grouping"] == grouping and f"fmr={one['rate']}" in targets
    ]


def _held_against(results: types.Rates, grouping: str, threshold: float, metric: str) -> list[Markup]:
    """What the ratios of one rate say; of groups without a label the tables alone."""
    every = ratios.at(results, grouping, threshold, metric)
    found = [r for r in every if parts.labelled([r["group"][0]]) and any(r["n"])]
    if not found:
        return []
    return [ratio_sentence(r) for r in found] if len(found) <= MAX_NAMED else [_many_ratios(found, grouping)]


def ratio_sentence(ratio: AnyContrast) -> Markup:
    """What one ratio says."""
    name, reference = ratio["group"][0], ratio["reference"][0]
    rate, whose = _rate_and_whose(ratio)
    counts = Markup("{} of {} against {} of {}").format(
        *(words.count(x) for pair in zip(ratio["k"], ratio["n"], strict=True) for x in pair)
    )
    if ratio["value"] is None or ratio["low"] is None or ratio["high"] is None:
        text = "No statement is made on {} {} {} against that {} {}: {} ({})."
        return Markup(text).format(rate, whose, name, whose, reference, words.reason(ratio["reason"]), counts)
    value = words.digits(ratio["value"])
    ends = f"{ratio['level']:.0%} interval {words.digits(ratio['low'])} to {words.digits(ratio['high'])}"
    if verdict(ratio) == NO_DIFFERENCE:
        text = "Between {} {} {} and {} {}, <b>no difference was detected</b> (ratio {}, {}): {}; {}."
        rates = f"{rate}s" if rate.startswith("the ") else rate
        return Markup(text).format(rates, whose, name, whose, reference, value, ends, counts, ratios.power(ratio))
    text = "{} {} {} was <b>{} times</b> that {} {} ({}): {}."
    return Markup(text).format(words.capital(rate), whose, name, value, whose, reference, ends, counts)


def _rate_and_whose(ratio: AnyContrast) -> tuple[str, str]:
    """The rate as words, and how it belongs to a group; runs of older versions have ratios of FMR alone."""
    metric = ratio.get("metric", "fmr")
    return words.metric(metric, rank_of(ratio)), "within" if metric in words.PAIRWISE else "for"


def _many_ratios(found: Sequence[AnyContrast], grouping: str) -> Markup:
    verdicts = [verdict(r) for r in found]
    rate, whose = _rate_and_whose(found[0])
    alike = [r for r in found if verdict(r) == NO_DIFFERENCE]
    higher, lower, unknown = map(verdicts.count, (HIGHER, LOWER, NO_STATEMENT))
    head = (words.capital(rate), whose, len(found), words.grouping(grouping), whose, found[0]["reference"][0])
    text = Markup(
        "{} {} {} groups of {} was held against that {} {}: for <b>{}</b> it was higher, "
        "for <b>{}</b> lower, for <b>{}</b> no difference was detected{}, and for {} no statement is made."
    ).format(*head, higher, lower, len(alike), _powers(alike), unknown)
    known = [r for r in found if r["low"] is not None]
    if not known:
        return text
    largest = ratio_sentence(max(known, key=lambda r: r["value"] or 0.0))
    return text + Markup(" The largest ratio: {}").format(largest)


def _powers(found: Sequence[AnyContrast]) -> str:
    """What would have been detected between groups that show no difference."""
    if not found:
        return ""
    known = sorted(power for r in found if (power := r.get("detectable")) is not None)
    if len(known) < len(found):
        return " (and not for each of them can a ratio be named that would have been)"
    ends = list(dict.fromkeys((words.digits(known[0], 3), words.digits(known[-1], 3))))
    return f" (ratios of {' to '.join(ends)} would have been, with {POWER:.0%} power)"


def _misses(view: Verify, grouping: str, threshold: float) -> list[Markup]:
    """False non-match rates of the groups side by side."""
    names = parts.labelled(view.names(grouping))
    found = [(name, view.within("fnmr", grouping, name, threshold)) for name in names]
    has_ratios = "contrasts" in view.results
    return _side_by_side("The false non-match rate", grouping, found, "within", has_ratios=has_ratios)


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
        names = parts.labelled(view.names(grouping))
        for metric, rank, title in (("fpir", None, "FPIR"), ("fnir", first, f"FNIR at rank {first}")):
            rates = [(name, view.estimate(metric, grouping, name, threshold, rank)) for name in names]
            found += _side_by_side(title, grouping, rates, "for", has_ratios="contrasts" in view.results)
            found += _held_against(view.results, grouping, threshold, metric)
    return found


def _side_by_side(
    rate: str, grouping: str, found: Sequence[tuple[str, Estimate]], word: str, *, has_ratios: bool
) -> list[Markup]:
    """Rates of groups in one sentence, if two or more have an interval; of many, the lowest and the highest.

    A group without an error has an interval from 0 and counts as any other. has_ratios : sentences on ratios follow.
    """
    ends = {name: (e["value"], e["high"], e["low"]) for name, e in found}
    known = [(name, e) for name, e in found if None not in ends[name]]
    if len(known) < 2:
        return []
    left_out = [name for name, of in ends.items() if None in of]
    of_many, which = "", "The"
    # On a line, intervals that overlap two by two have a point in common.
    overlap = max(e["low"] or 0.0 for _, e in known) <= min(e["high"] or 0.0 for _, e in known)
    if len(known) > MAX_NAMED:
        known.sort(key=lambda pair: ends[pair[0]][:2])
        of_many, which = f", lowest and highest of {len(known)} groups,", f"All {len(known)}"
        known = [known[0], known[-1]]
    rates = [Markup("{} {} {}").format(rate_phrase(e), word, name) for name, e in known]
    ending = f"{which} intervals overlap; no ratio was estimated."
    if not overlap:
        ending = "Not all intervals overlap; no ratio was estimated."
    endings = [] if has_ratios else [ending]
    endings += [f"Left out, without an interval: {words.listed(left_out)}."] if left_out else []
    said = Markup("{} by {}{} was {}. {}").format(
        rate, words.grouping(grouping), of_many, Markup("; ").join(rates), " ".join(endings)
    )
    return [said.rstrip()]


def latency_sentences(view: Latency) -> list[Finding]:
    """What a latency run shows, by batch size."""
    return [(f"Requests of {words.plural(b, 'probe')}", _latency_of(view, b)) for b in view.results["batches"]]


def _latency_of(view: Latency, batch: int) -> list[Markup]:
    (total,) = view.rows(ALL, batch)
    requests, times = words.plural(total["requests"], "request"), times_listed(total["quantiles"])
    if not times or total["probes_per_second"] is None:
        return [Markup("No percentile is supported by {}.").format(requests)]
    speed = f"{total['probes_per_second']:,.0f}"
    text = "A request took <b>{}</b>, over {}; that is {} probes a second, one request at a time."
    return [Markup(text).format(times, requests, speed)]
