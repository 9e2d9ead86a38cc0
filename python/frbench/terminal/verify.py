"""Shows a 1:1 run on a terminal: FMR and FNMR by group and threshold, curves, folds and audits."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from frbench.results.types import Verify, VerifyEstimate
from frbench.results.verify import excluded_in_words
from frbench.terminal import audits, common, curves, figures, groups
from frbench.terminal.figures import UNDEFINED


def verify_tables(results: Verify) -> Iterator[RenderableType]:
    """Tables and sentences of a 1:1 run, in order."""
    nonmated, mated = results["overall"]
    # Without labels a list of pairs says which are mated, and not who is on them.
    has_people = any(e["n_subjects"] is not None for e in results["estimates"])
    two, one = ("two people", "one person") if has_people else ("non-mated pairs", "mated pairs")
    yield Text(
        f"1:1, {nonmated['trials'] + mated['trials']:,} comparisons, {mated['trials']:,} of them mated. "
        f"FMR: share of comparisons of {two} that are accepted; FNMR: share of comparisons of {one} that are "
        "rejected. A score at or above the threshold is accepted. k / n: errors / comparisons.\n"
    )
    if excluded := excluded_in_words(results):
        yield Text(f"{excluded}\n", style="yellow")
    yield from common.recorded_note(results)
    yield from common.unreached_notes(results)
    for threshold in results["thresholds"]:
        yield Text(common.heading(results, threshold), style="bold")
        yield from common.threshold_between(results, threshold)
        found: dict[tuple[str, str, str], dict[str, VerifyEstimate]] = {}
        for e in results["estimates"]:
            if e["threshold"] == threshold:
                found.setdefault((e["grouping"], e["group_a"], e["group_b"]), {})[e["metric"]] = e
        rows = [
            (
                common.name_of(results, grouping, a if a == b else f"{a} x {b}"),
                *common.rate_of(rates["fmr"], figures.power),
                *(common.rate_of(rates["fnmr"], figures.percent) if "fnmr" in rates else ("", "", "")),
            )
            for (grouping, a, b), rates in found.items()
        ]
        yield figures.table("group", "FMR", "95% interval", "k / n", "FNMR", "95% interval", "k / n", rows=rows)
        yield from common.ratio_lines(results, threshold)
        yield from groups.tables(results, threshold)
        yield ""
    yield from curves.tables(results)
    yield from audits.tables(results)
    yield from _folds(results)


def _folds(results: Verify) -> Iterator[Text]:
    """Accuracy over the folds of a list of pairs."""
    found = results.get("folds")
    if found is None:
        return
    figures_of = (found["mean"], found["standard_error"], found["least"], found["most"])
    if found["mean"] is None:
        yield Text(f"accuracy over folds: {UNDEFINED}, {found['reason']}")
        return
    mean, error, least, most = (f"{figure:.2%}" for figure in figures_of)
    ties = "" if least == most else f"; {least} to {most} at other thresholds that were as good"
    n = len(found["folds"])
    yield Text(f"accuracy over {n} folds, each at the threshold of the others: {mean}, standard error {error}{ties}")
