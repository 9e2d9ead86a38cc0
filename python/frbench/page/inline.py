"""Shows a finished run where it is asked for, as in a notebook: sentences and charts of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import vl_convert
from markupsafe import Markup

from frbench import files
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.page import keys_of, view_of
from frbench.page.parts import View
from frbench.page.style import Palette

# Sentences that stand below rates; the page has all of them.
SENTENCES = 3


@dataclass(frozen=True)
class Chart:
    """A chart of the page of a run, which a notebook shows by itself.

    Parameters
    ----------
    spec : Vega-Lite, for any program that draws it.
    title, caption : what it shows, and how to read it.
    """

    spec: Mapping[str, Any]
    title: str
    caption: str

    def svg(self) -> str:
        """The chart as SVG."""
        return str(vl_convert.vegalite_to_svg(dict(self.spec)))

    def save(self, path: str | Path) -> Path:
        """Writes the chart to a file: .svg, or its Vega-Lite as .json.

        Raises
        ------
        InputError : another suffix. OutputError : the file cannot be written.
        """
        path = Path(path)
        if path.suffix == ".json":
            files.write_json(path, dict(self.spec))
        elif path.suffix == ".svg":
            files.write(path, self.svg())
        else:
            raise InputError(f"{path}: a chart is written as .svg or, in Vega-Lite, as .json")
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"image/svg+xml": self.svg(), "application/vnd.vegalite.v5+json": dict(self.spec)}

    def __repr__(self) -> str:
        return f"Chart: {self.title}. {self.caption}"


def sentences(run: FinishedRun) -> list[str]:
    """What the page says of a run, in sentences: the first few."""
    found = [each.striptags() for _, several in _view(run).summary for each in several]
    return found[:SENTENCES]


def chart(run: FinishedRun, name: str) -> Chart:
    """A chart of the page of a run by name, such as "det".

    Raises
    ------
    InputError : there is none of this name; the message lists those that there are.
    """
    view = _view(run)
    drawn = {figure.id.removeprefix(f"{view.anchor}-"): figure for figure in view.drawn}
    # Where a run has several groupings, each has a chart of its own; the first is meant.
    found = drawn.get(name) or next((each for key, each in drawn.items() if key.startswith(f"{name}-")), None)
    if found is None:
        raise InputError(f"this run has no chart {name!r}, only {', '.join(drawn) or 'none'}")
    return Chart(found.spec, found.title, found.caption)


def preformatted(text: str) -> str:
    """An HTML element with text as it stands; escaped."""
    return str(Markup("<pre>{}</pre>").format(text))


def element(tag: Literal["h4", "p"], text: str) -> str:
    """An HTML element with text; escaped."""
    return str(Markup(f"<{tag}>{{}}</{tag}>").format(text))


def _view(run: FinishedRun) -> View:
    return view_of(run, Palette(keys_of(run)), 1)
