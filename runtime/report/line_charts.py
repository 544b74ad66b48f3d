"""Time lines as Vega-Lite is told to draw them: panels under each other.

All are of the part of the video that is marked in the first, or, where none is, chosen beside the chart, as
keys can too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.pages.charts import SCHEMA
from of3.runtime.pages.page import Chart
from of3.runtime.report.lines import GAZE, POSE, Lines

View = dict[str, Any]
WINDOW = "part"  # of the video, which is looked at
ENDS = ("from", "to")  # of the part, s
STEPS = 200  # of a slider
MOST_BLINKS = 1000  # that are drawn
CHOICES = {"action_unit": tuple(f"AU{unit:02d}" for unit in UNITS), "emotion": EMOTIONS}
USUAL = {"action_unit": "AU12", "emotion": "happy"}
LEGEND = {"orient": "top", "title": "face_id", "titleOrient": "left", "symbolOpacity": 1}
SCORES = (0.0, 1.0)


def time_lines(lines: Lines, columns: Mapping[str, Sequence[Any]], name: str, pictures: str) -> Chart:
    """columns: of the lines, which the page holds as the dataset `name`.

    pictures: the dataset of pictures of the video; empty for none.
    """
    panels = Panels(name, [str(face_id) for face_id in lines.shown], max(lines.end_s, 0.001))
    angles = [angle for angle in (*GAZE, *POSE) if any(value is not None for value in columns[angle])]
    blinks = list(_blinks(lines))
    views = [
        panels.overview(),
        *(panels.chosen(choice, pictures) for choice in CHOICES),
        *(panels.lines(angle, f"{angle}, deg", 70) for angle in angles),
        *([panels.blinks(blinks)] if blinks else []),
    ]
    chosen = [*map(_select, CHOICES), *panels.ends()]
    spec = {"$schema": SCHEMA, "params": chosen, "vconcat": views, "spacing": 8}
    said = (
        f"Time lines of {len(panels.faces)} faces over {lines.end_s:.1f} s; the video's table has the numbers"
    )
    return Chart("Time lines", said, spec, is_wide=True)


def _select(choice: str) -> dict[str, Any]:
    """What is chosen from a list beside the chart."""
    bind = {"input": "select", "options": list(CHOICES[choice]), "name": f"{choice.replace('_', ' ')} "}
    return {"name": choice, "value": USUAL[choice], "bind": bind}


def _blinks(lines: Lines) -> list[dict[str, Any]]:
    found = [
        {"face": str(face_id), "t": round(start_s, 3), "t_to": round(end_s, 3)}
        for face_id in lines.shown
        for start_s, end_s in lines.faces[face_id].blinks_s
    ]
    return found[:MOST_BLINKS]


@dataclass(frozen=True, slots=True)
class Panels:
    """Of one video."""

    name: str  # of the dataset
    faces: Sequence[str]
    end_s: float

    def ends(self) -> list[dict[str, Any]]:
        """Sliders for the part that is looked at, in steps of few digits: browsers round down to a step."""
        most_s = round(STEPS * self._step_s(), 4)
        bind = {"input": "range", "min": 0, "max": most_s, "step": self._step_s()}
        return [
            {"name": end, "value": value, "bind": {**bind, "name": f"{end}, s "}}
            for end, value in zip(ENDS, (0, most_s), strict=True)
        ]

    def _step_s(self) -> float:
        return math.ceil(self.end_s / STEPS * 1e4) / 1e4

    def overview(self) -> View:
        """The confidence, all the time."""
        view = self.lines("confidence", "confidence", 45)
        view["encoding"]["y"]["scale"] = {"domain": SCORES}
        view["encoding"]["x"] |= {"title": "s; mark a part here to look at it below", "scale": self._whole()}
        return {**view, "params": [{"name": WINDOW, "select": {"type": "interval", "encodings": ["x"]}}]}

    def chosen(self, choice: str, pictures: str) -> View:
        """What is chosen, and pictures of the video, which are shown where one points."""
        view = self.lines(choice, choice.replace("_", " "), 110)
        low, high = f"datum[{choice}]", f"datum[{choice} + '_to']"
        view["transform"] = [{"calculate": low, "as": "low"}, {"calculate": high, "as": "high"}]
        view["encoding"]["y"] |= {"field": "high", "scale": {"domain": SCORES}}
        view["encoding"]["y2"] = {"field": "low"}
        height_px = view.pop("height")
        return {"height": height_px, "layer": [view, self._pictures(pictures)] if pictures else [view]}

    def lines(self, channel: str, title: str, height_px: int) -> View:
        """A line a face; where a point is of several frames, from their least to their most."""
        height = {
            "field": f"{channel}_to",
            "type": "quantitative",
            "title": title,
            "stack": None,
            "scale": {"zero": False},
            "axis": {"tickCount": 3},
        }
        return {
            "data": {"name": self.name},
            "height": height_px,
            "mark": {"type": "area", "opacity": 0.5, "line": {"strokeWidth": 1}, "clip": True},
            "encoding": {"x": self._time(), "y": height, "y2": {"field": channel}, "color": self._colour()},
        }

    def blinks(self, values: Sequence[Mapping[str, Any]]) -> View:
        encoding = {
            "x": self._time(),
            "x2": {"field": "t_to"},
            "y": {"field": "face", "type": "nominal", "title": "blinks", "sort": list(self.faces)},
            "color": self._colour(),
            "tooltip": [{"field": name, "type": "quantitative"} for name in ("t", "t_to")],
        }
        mark = {"type": "bar", "clip": True, "minBandSize": 2}
        height_px = 14 * len(self.faces) + 8
        return {"data": {"values": values}, "height": height_px, "mark": mark, "encoding": encoding}

    def _pictures(self, name: str) -> View:
        """Seen by the mouse only."""
        tooltip = [
            {"field": "image", "type": "nominal"},
            {"field": "t", "type": "quantitative", "title": "s", "format": ".2f"},
        ]
        encoding = {"x": self._time(), "x2": {"field": "t_to"}, "tooltip": tooltip}
        mark = {"type": "rect", "opacity": 0, "clip": True}
        return {"data": {"name": name}, "mark": mark, "encoding": encoding}

    def _time(self) -> dict[str, Any]:
        low, high = f"min({', '.join(ENDS)})", f"max({', '.join(ENDS)})"
        chosen = f"[{low}, max(min({high}, {self.end_s}), {low} + {self._step_s()})]"
        marked = {**self._whole(), "domainRaw": {"expr": f"{WINDOW}.t || {chosen}"}}
        return {"field": "t", "type": "quantitative", "title": None, "scale": marked}

    def _whole(self) -> dict[str, Any]:
        return {"domain": [0, self.end_s], "nice": False, "zero": False}

    def _colour(self) -> dict[str, Any]:
        scale = {"domain": list(self.faces), "scheme": "tableau10"}
        return {"field": "face", "type": "nominal", "scale": scale, "legend": LEGEND}
