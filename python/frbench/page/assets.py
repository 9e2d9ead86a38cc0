"""Fills the templates of pages, with the looks, scripts and charting library that every page carries itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from frbench.page import style, words
from frbench.page.cache import kept
from frbench.page.parts import Block, Figure

EXPLORER = ("elements", "words", "packing", "operation", "claims", "charts", "downloads", "tables", "explorer")
DRAWING = ("elements", "downloads", "drawn")
# What the charting library leaves to the page, of all that it defines.
LEAVES = "window.vegaEmbed = vegaEmbed;"


def filled(template: str, figures: Iterable[Figure], *, looks: Sequence[str] = ("report.css",), **slots: Any) -> str:
    """A page: the template with its slots, its looks, and what draws its figures."""
    return _environment().get_template(template).render(
        gradient=style.GRADIENT,
        css="".join(map(asset, looks)),
        library=library(),
        drawing=together(DRAWING),
        specs={figure.id: figure.spec for figure in figures},
        **slots,
    )  # fmt: skip


@dataclass(frozen=True)
class Chapter:
    """A part of a page. lead : what to know of it."""

    title: str
    lead: Sequence[Markup | str]
    blocks: Sequence[Block]


def render_chapters(chapters: Sequence[Chapter], *, title: str, eyebrow: str, measured: Sequence[str]) -> str:
    """The page of these chapters.

    Parameters
    ----------
    eyebrow : a line above the heading. measured : lines below it.
    """
    figures = [figure for chapter in chapters for block in chapter.blocks for figure in block.figures]
    return filled("page.html.j2", figures, chapters=chapters, title=title, eyebrow=eyebrow, measured=measured)


@cache
def together(names: tuple[str, ...]) -> str:
    """Scripts of `assets/` as one that leaves no names behind."""
    inside = "\n".join(asset(f"assets/{name}.js") for name in names)
    return f'(() => {{\n"use strict";\n{inside}\n}})();'


@cache
def asset(name: str) -> str:
    """The text of a file of this folder."""
    return files("frbench.page").joinpath(name).read_text(encoding="utf-8")


@cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script that may stand inside a page, and leaves one name behind."""
    made_by = ("vl-convert-python", version("vl-convert-python"), LEAVES)
    # It takes more than a second of a processor, and is the same each time.
    bundle = kept("vega", made_by, lambda: str(vl_convert.javascript_bundle(LEAVES)))
    return "(() => {\n" + bundle.replace("</script", "<\\/script") + "\n})();"


@cache
def _environment() -> Environment:
    """Templates of this folder: everything is escaped, and a missing value is an error."""
    loader = PackageLoader("frbench", "page")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["unbroken"] = words.unbroken
    return made
