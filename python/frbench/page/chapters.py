"""Makes a page about several runs in the looks of a report: headings, tables and charts, all in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from frbench.page import explorer, style
from frbench.page.environment import environment
from frbench.page.library import library
from frbench.page.parts import Block


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
    specs = {f.id: f.spec for chapter in chapters for block in chapter.blocks for f in block.figures}
    return environment().get_template("page.html.j2").render(
        chapters=chapters,
        title=title,
        eyebrow=eyebrow,
        measured=measured,
        specs=specs,
        gradient=style.GRADIENT,
        css=files("frbench.page").joinpath("report.css").read_text(encoding="utf-8"),
        library=library(),
        drawing=explorer.drawing(),
    )  # fmt: skip
