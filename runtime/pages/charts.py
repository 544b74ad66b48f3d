"""Numbers that are counted already -> charts, as Vega-Lite 6 is told to draw them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from of3.runtime.pages.page import Chart

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # its name: nothing is asked for there
HEIGHT_PX = 110


def of_one_view(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What every chart of one view shares."""
    fit = {"type": "fit", "contains": "padding", "resize": True}
    return {"$schema": SCHEMA, "width": "container", "height": HEIGHT_PX, "autosize": fit, **spec}


def histogram(title: str, unit: str, edges: Sequence[float], counts: Sequence[int]) -> Chart:
    """edges: one more than counts."""
    values = [
        {"from": _short(low), "to": _short(high), "count": int(count)}
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    encoding = {
        "x": {
            "field": "from",
            "type": "quantitative",
            "bin": "binned",
            "title": unit,
            "axis": {"tickCount": 5},
        },
        "x2": {"field": "to"},
        "y": {"field": "count", "type": "quantitative", "title": None, "axis": {"tickCount": 3}},
        "tooltip": [{"field": name, "type": "quantitative"} for name in ("from", "to", "count")],
    }
    spec = of_one_view(
        {"data": {"values": values}, "mark": {"type": "bar", "binSpacing": 0}, "encoding": encoding}
    )
    return Chart(title, f"Histogram of {title}, {sum(map(int, counts))} values", spec)


def bars(title: str, counts: Mapping[str, float], unit: str = "") -> Chart:
    """A bar a word, in the order given."""
    values = [{"word": word, "count": count} for word, count in counts.items()]
    encoding = {
        "y": {"field": "word", "type": "nominal", "sort": None, "title": None},
        "x": {"field": "count", "type": "quantitative", "title": unit or None, "axis": {"tickCount": 4}},
        "tooltip": [{"field": "word", "type": "nominal"}, {"field": "count", "type": "quantitative"}],
    }
    spec = {
        **of_one_view({"data": {"values": values}, "mark": "bar", "encoding": encoding}),
        "height": 18 * len(values) + 40,  # with the axis below
    }
    said = ", ".join(f"{word} {count:g}" for word, count in counts.items())
    return Chart(title, f"{title}: {said}", spec)


def density(
    title: str,
    units: tuple[str, str],
    edges: tuple[Sequence[float], Sequence[float]],
    counts: NDArray[np.int64],
) -> Chart:
    """How many lie where in a plane.  units: of x, y.  counts: (X,Y), of the cells between the edges."""
    across, up = edges
    values = [
        {
            "x": _short(across[column]),
            "x2": _short(across[column + 1]),
            "y": _short(up[row]),
            "y2": _short(up[row + 1]),
            "count": int(counts[column, row]),
        }
        for column, row in np.argwhere(counts).tolist()
    ]
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "bin": "binned",
            "title": units[0],
            "scale": _domain(across),
        },
        "x2": {"field": "x2"},
        "y": {"field": "y", "type": "quantitative", "bin": "binned", "title": units[1], "scale": _domain(up)},
        "y2": {"field": "y2"},
        "color": {
            "field": "count",
            "type": "quantitative",
            "scale": {"type": "sqrt", "scheme": "viridis"},
            "legend": {"gradientLength": 80, "tickCount": 3},
        },
        "tooltip": [{"field": name, "type": "quantitative"} for name in ("x", "y", "count")],
    }
    spec = of_one_view({"data": {"values": values}, "mark": "rect", "encoding": encoding, "height": 240})
    return Chart(title, f"Density of {title}, {int(counts.sum())} values", spec)


def _domain(edges: Sequence[float]) -> dict[str, Any]:
    return {"domain": [float(edges[0]), float(edges[-1])], "nice": False}


def _short(number: float) -> float:
    return float(f"{number:.4g}")
