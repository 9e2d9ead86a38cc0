"""Environment: what fills the templates of pages."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from frbench.page import words


@cache
def environment() -> Environment:
    """Templates of this folder: everything is escaped, and a missing value is an error."""
    made = Environment(
        loader=PackageLoader("frbench", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["unbroken"] = words.unbroken
    return made
