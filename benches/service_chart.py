"""The curve of load as a picture: `python -m benches.service_chart out/service.json docs/load.png`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vl_convert

QUANTILES = {"p50_ms": "median", "p99_ms": "99th percentile"}


def chart(load: Mapping[str, Any]) -> dict[str, Any]:
    """Vega-Lite of latencies against the share of capacity, and what one scan takes."""
    rows = [
        {"share": point["share"], "ms": point[key], "quantile": name}
        for point in load["curve"]
        for key, name in QUANTILES.items()
    ]
    text = f"{load['gallery']:,} templates; the server bears {load['capacity_per_s']:,.0f} searches a second"
    x = {
        "field": "share",
        "type": "quantitative",
        "title": "offered load, of what the server bears",
        "axis": {"format": "%"},
    }
    y = {
        "field": "ms",
        "type": "quantitative",
        "title": "latency of those answered, from the scheduled moment, ms",
        "scale": {"type": "log"},
    }
    color = {
        "field": "quantile",
        "type": "nominal",
        "title": None,
        "scale": {"range": ["#0072b2", "#d55e00"]},
        "legend": {"orient": "top"},
    }
    lines = {"mark": {"type": "line", "point": True}, "encoding": {"x": x, "y": y, "color": color}}
    rule = {
        "data": {"values": [{"ms": load["one_scan_ms"], "what": "a scan for one probe, alone"}]},
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [4, 4]},
                "encoding": {"y": {"field": "ms", "type": "quantitative"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dy": 10, "x": 8},
                "encoding": {"y": {"field": "ms", "type": "quantitative"}, "text": {"field": "what"}},
            },
        ],
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": "Latency against load", "subtitle": text},
        "width": 620,
        "height": 300,
        "background": "white",
        "data": {"values": rows},
        "layer": [lines, rule],
    }


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("measured", type=Path)
    parser.add_argument("picture", type=Path)
    asked = parser.parse_args()
    drawn = chart(json.loads(asked.measured.read_text())["load"])
    asked.picture.write_bytes(vl_convert.vegalite_to_png(drawn, scale=1.5))


if __name__ == "__main__":
    main()
