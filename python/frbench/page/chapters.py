"""Makes a page about several runs in the looks of a report: headings, tables and charts, all in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from frbench.page.assets import filled
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
    figures = [figure for chapter in chapters for block in chapter.blocks for figure in block.figures]
    return filled("page.html.j2", figures, chapters=chapters, title=title, eyebrow=eyebrow, measured=measured)
