"""Library: what draws charts, inside a page."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import vl_convert

from frbench.page.cache import kept

# What the script leaves to the page, of all that it defines.
LEAVES = "window.vegaEmbed = vegaEmbed;"


@cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script that may stand inside a page, and leaves one name behind."""
    made_by = ("vl-convert-python", version("vl-convert-python"), LEAVES)
    # It takes more than a second of a processor, and is the same each time.
    bundle = kept("vega", made_by, lambda: str(vl_convert.javascript_bundle(LEAVES)))
    return "(() => {\n" + bundle.replace("</script", "<\\/script") + "\n})();"
