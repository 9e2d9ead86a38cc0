"""Says on the page what produced the numbers, how to read them, and what they do not show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.finished_run import FinishedRun
from frbench.plan import digest_of
from frbench.results.types import results_of

READING = (
    (
        "Accepted",
        "A comparison is accepted when its score is at or above the threshold. Mated: both templates are of the same "
        "person. Non-mated: they are of two different people.",
    ),
    ("FMR, FNMR", "False match rate: accepted among non-mated. False non-match rate: rejected among mated (1:1)."),
    (
        "FPIR, FNIR",
        "False positive identification rate: searches for a person who is not in the gallery that return at least one "
        "candidate at or above the threshold. False negative identification rate: searches for a person who is in the "
        "gallery whose mate is below the threshold or beyond the rank (1:N).",
    ),
    (
        "k / n",
        "Every rate is a fraction of counts, and both are printed. With fewer than 30 errors a rate is marked as weak "
        "(rule of 30).",
    ),
    (
        "95% interval",
        "Comparisons share people, so they are not independent. The interval comes from leaving out blocks of people "
        "(delete-a-block jackknife), then Wilson's formula at the number of independent trials that would vary as "
        "much. It says how far the rate could move with other people like these; not with other cameras or labels.",
    ),
    (
        "None seen",
        "No error among n trials is not a rate of zero. “At most” is the exact 95% bound on the trials that have no "
        "person in common.",
    ),
    ("Not estimable", "There is too little data for a number; the reason stands beside it."),
    (
        "Ratio",
        "How many times the rate of one group is that of another at the same threshold, with an interval of its own. "
        "If that interval holds 1, no difference is shown: that is not proof that there is none.",
    ),
    (
        "Same group, all pairs",
        "People are often mistaken more for others with the same label than for anybody. A false match rate over all "
        "pairs hides that, so the rate within each group stands beside it.",
    ),
)

WHERE_THERE = (
    (
        "contrasts",
        "Would have been detected",
        "The smallest ratio that such a count, of people as different as these, shows four times in five (80% power). "
        "Where none is shown, any below it may be there.",
    ),
    (
        "differentials",
        "Index",
        "One number for how far groups differ, as others publish it. A useless matcher can have a good one. Chance "
        "alone gives an index, so that what it would be if nothing differed stands beside it.",
    ),
    (
        "gallery_sizes",
        "Measured, extrapolated",
        "Measured: counted on these searches, for a gallery up to the one that was searched. Extrapolated: what a "
        "model says of a larger one; no search was made.",
    ),
    (
        "selectivity",
        "Selectivity",
        "Candidates at or above the threshold for each search of a person who is not in the gallery: the work of a "
        "reviewer. Where lists are full it is a lower bound.",
    ),
)

LIMITS = (
    "A group is the label in the data, not a property that was found. Who gave the labels, and how, is not known here.",
    "Differences between groups are not explained: capture, age of photos, number of photos and labels may differ.",
    "Face detection, image quality, attack detection and human review are outside: templates are the input.",
    "The rates hold for these templates, these people and this mix of groups. Other sets give other rates.",
    "Intervals cover the choice of people. They do not cover wrong labels, duplicates under two names, or twins.",
    "Each interval is at its own level; among many groups some will miss by chance. No correction is made.",
)
SAME_DATA = (
    "Where a threshold was set on the data that it is judged on, the rate of the population it was set on meets its "
    "target by construction."
)
GALLERY = "1:N rates grow with the size of the gallery and are not extrapolated to another size."
SIZES = (
    "1:N rates grow with the size of the gallery. Those of a larger one are by a model, for more people like these; "
    "FNIR is not extrapolated."
)
TIMES = "Times are of this machine, in one process, without network, face detection or template extraction."
METHODS = {
    "verify": "every two templates were compared once (1:1), counted by score, groups and blocks of people",
    "pairs": "listed pairs were compared once each (1:1), counted by score, groups and blocks of people",
    "identify": "every probe was searched in one gallery (1:N), counted by score, rank, group and blocks of people",
}
POLICIES = {
    "reject": "they count as rejected",
    "exclude": "they are left out of every denominator",
    "accept": "they count as accepted",
}
LOAD = "Times under load are of one server, one network and one generator, whose own lag they hold."


@dataclass(frozen=True)
class Field:
    """A line of the table of runs: one value for all, or one for each run."""

    name: str
    values: Sequence[str]

    @property
    def is_shared(self) -> bool:
        """Whether all runs have the same value."""
        return len(set(self.values)) == 1


@dataclass(frozen=True)
class Provenance:
    """All of it, for the templates. raw : title and JSON of each manifest."""

    fields: Sequence[Field]
    inputs: Sequence[Mapping[str, Any]]
    conventions: Mapping[str, str]
    raw: Sequence[tuple[str, str]]


def reading(sections: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    """Terms of this page."""
    keys = {key for section in sections for key in section.results}
    return [*READING, *((term, text) for needed, term, text in WHERE_THERE if needed in keys)]


def limits(sections: Sequence[FinishedRun]) -> list[str]:
    """What this report does not show."""
    kinds = {section.results["kind"] for section in sections}
    has_points = any(p["threshold"] is not None for section in sections for p in section.results["operating_points"])
    is_sized = any("gallery_sizes" in section.results for section in sections)
    more = [
        (SAME_DATA, has_points),
        (SIZES if is_sized else GALLERY, "identify" in kinds),
        (TIMES, "latency" in kinds),
        (LOAD, "load" in kinds),
    ]
    return [*LIMITS, *(text for text, applies in more if applies)]


def provenance(sections: Sequence[FinishedRun], titles: Sequence[str]) -> Provenance:
    """The manifests of all runs, what they share said once."""
    manifests = [section.manifest for section in sections]
    flat = [_method(section) | _flat(section.manifest) for section in sections]
    names = dict.fromkeys(name for values in flat for name in values)
    fields = [Field(name, [values.get(name, "not stated") for values in flat]) for name in names]
    inputs = {json.dumps(source, sort_keys=True): source for m in manifests for source in m.get("inputs", [])}
    conventions = {name: text for m in manifests for name, text in m.get("conventions", {}).items()}
    raw = [(title, json.dumps(m, indent=2)) for title, m in zip(titles, manifests, strict=True)]
    return Provenance(fields, list(inputs.values()), conventions, raw)


def _method(section: FinishedRun) -> dict[str, str]:
    """What was counted and how, what was left out, what failed, and the digest of the counts."""
    found, tally = results_of(section.results), section.tally
    kind = tally.plan.kind
    lost = {mated: tally.pick(mated=mated) for mated in (False, True)}
    failed = "; ".join(
        f"{histogram.unscored:,} of {histogram.trials:,} {'mated' if mated else 'non-mated'} trials"
        for mated, histogram in lost.items()
    )
    excluded = found["excluded"] if found["kind"] == "verify" else None
    policy = found["failed_policy"] if found["kind"] == "verify" else ""
    own = {
        "Method": METHODS.get(kind, kind),
        "Kind of trial": kind,
        "Excluded": "none" if excluded is None else f"{excluded['pairs']:,} reviewed pairs of {excluded['file']}",
        "Failed templates": f"{failed}; {POLICIES.get(policy, 'they stay in the numbers')}",
        "Notes": "; ".join(section.manifest.get("notes", ())) or "none",
        "Digest of the counts": digest_of(tally.total, tally.touching),
    }
    return own if kind in METHODS else own | {"Excluded": "does not apply", "Failed templates": "does not apply"}


def _flat(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Name and text of everything else but inputs and conventions, the command first."""
    found = {"Command": shlex.join(manifest.get("command", [])) or "not stated"}
    entries = {"Made": "created", "frbench": "frbench", "Plan digest": "plan"}
    found |= {title: str(manifest.get(entry, "not stated")) for title, entry in entries.items()}
    for part in ("engine", "kernels", "machine", "options", "libraries", "durations_s"):
        value = manifest.get(part)
        if isinstance(value, Mapping):
            found |= {_title(part, name): _text(v) for name, v in value.items()}
        elif value is not None:
            found[TITLES.get(part, part)] = _text(value)
    return found


TITLES = {
    "engine": "Engine",
    "kernels": "Instruction sets available",
    "machine": "Machine",
    "options": "Option",
    "libraries": "Version",
    "durations_s": "Seconds",
}


def _title(part: str, name: str) -> str:
    return f"{TITLES[part]}: {name.replace('_gib', ', GiB').replace('_', ' ')}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
