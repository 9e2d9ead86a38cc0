"""Library: what draws charts, inside a page."""

from __future__ import annotations

from functools import cache

import vl_convert


@cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script that may stand inside a page, and leaves one name behind."""
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
    return f"(() => {{\n{bundle}\n}})();"
