"""Time lines as Vega-Lite is told to draw them: panels under each other.

All are of the part of the video that is marked in the first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.pages.charts import SCHEMA
from of3.runtime.pages.page import Chart
from of3.runtime.report.lines import GAZE, POSE, Lines

WINDOW = "part"  # of the video, which is looked at
MOST_BLINKS = 1000  # that are drawn
CHOICES = {"action_unit": tuple(f"AU{unit:02d}" for unit in UNITS), "emotion": EMOTIONS}
USUAL = {"action_unit": "AU12", "emotion": "happy"}
SCORES = (0.0, 1.0)


def time_lines(lines: Lines, name: str, frames: str) -> Chart:
    """name: of the page's dataset with the columns of the lines; frames: of that with pictures, or empty."""
    faces = [str(face_id) for face_id in lines.shown]
    end_s = max((line.last_s for line in lines.faces.values()), default=0.0)
    panels = [
        _overview(name, faces, max(end_s, 0.001)),
        *(_chosen(name, faces, choice, frames) for choice in CHOICES),
        *(_panel(name, faces, angle, f"{angle}, deg", 70) for angle in (*GAZE, *POSE) if _has(lines, angle)),
        *([_blinks(lines, faces)] if any(lines.faces[face_id].blinks_s for face_id in lines.shown) else []),
    ]
    chosen = [
        {
            "name": choice,
            "value": USUAL[choice],
            "bind": _select(choice, options),
        }
        for choice, options in CHOICES.items()
    ]
    spec = {"$schema": SCHEMA, "params": chosen, "vconcat": panels, "spacing": 8}
    said = f"Time lines of {len(faces)} faces over {end_s:.1f} s; the table of the video holds the numbers"
    return Chart("Time lines", said, spec, is_wide=True)


def _has(lines: Lines, channel: str) -> bool:
    return any(value is not None for value in lines.columns()[channel])


def _select(name: str, options: Sequence[str]) -> dict[str, Any]:
    return {"input": "select", "options": list(options), "name": f"{name.replace('_', ' ')} "}


def _overview(name: str, faces: Sequence[str], end_s: float) -> dict[str, Any]:
    """The confidence, all the time; what is marked here the other panels show."""
    window = {"name": WINDOW, "select": {"type": "interval", "encodings": ["x"]}, "value": {"x": [0, end_s]}}
    view = _panel(name, faces, "confidence", "confidence", 45, {"domain": [0, end_s]})
    view["encoding"]["y"]["scale"] = {"domain": SCORES}
    view["encoding"]["x"]["title"] = "s; mark a part here to look at it below"
    return {**view, "params": [window]}


def _chosen(name: str, faces: Sequence[str], choice: str, frames: str) -> dict[str, Any]:
    """A panel of what is chosen, over pictures of the video, which are shown where one points."""
    view = _panel(name, faces, choice, choice.replace("_", " "), 110)
    low, high = f"datum[{choice}]", f"datum[{choice} + '_to']"
    view["transform"] = [{"calculate": low, "as": "low"}, {"calculate": high, "as": "high"}]
    view["encoding"]["y"].update(field="high", scale={"domain": SCORES})
    view["encoding"]["y2"] = {"field": "low"}
    if not frames:
        return view
    shared = {part: view.pop(part) for part in ("data", "mark", "encoding", "transform")}
    return {**view, "layer": [shared, _pictures(frames)]}


def _pictures(frames: str) -> dict[str, Any]:
    tooltip = [
        {"field": "image", "type": "nominal"},
        {"field": "t", "type": "quantitative", "title": "s", "format": ".2f"},
    ]
    encoding = {"x": _time(), "x2": {"field": "t_to"}, "tooltip": tooltip}
    return {
        "data": {"name": frames},
        "mark": {"type": "rect", "opacity": 0, "clip": True},
        "encoding": encoding,
    }


def _time(scale: Mapping[str, Any] | None = None) -> dict[str, Any]:
    scale = {"domain": {"param": WINDOW}} if scale is None else {**scale, "nice": False}
    return {"field": "t", "type": "quantitative", "title": None, "scale": scale}


def _panel(
    name: str,
    faces: Sequence[str],
    channel: str,
    title: str,
    height_px: int,
    scale: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """scale: of the time; None: what is marked."""
    return {
        "data": {"name": name},
        "height": height_px,
        "mark": {"type": "area", "opacity": 0.5, "line": {"strokeWidth": 1}, "clip": True},
        "encoding": {
            "x": _time(scale),
            "y": {
                "field": f"{channel}_to",
                "type": "quantitative",
                "title": title,
                "stack": None,
                "scale": {"zero": False},
                "axis": {"tickCount": 3},
            },
            "y2": {"field": channel},
            "color": _colour(faces),
        },
    }


def _colour(faces: Sequence[str]) -> dict[str, Any]:
    scale = {"domain": list(faces), "scheme": "tableau10"}
    return {"field": "face", "type": "nominal", "scale": scale, "legend": {"orient": "top", "title": "face_id"}}


def _blinks(lines: Lines, faces: Sequence[str]) -> dict[str, Any]:
    values = [
        {"face": str(face_id), "t": round(start_s, 3), "t_to": round(end_s, 3)}
        for face_id in lines.shown
        for start_s, end_s in lines.faces[face_id].blinks_s
    ]
    encoding = {
        "x": _time(),
        "x2": {"field": "t_to"},
        "y": {"field": "face", "type": "nominal", "title": "blinks", "sort": list(faces)},
        "color": _colour(faces),
        "tooltip": [{"field": name, "type": "quantitative"} for name in ("t", "t_to")],
    }
    mark = {"type": "bar", "clip": True, "stroke": "currentColor", "strokeWidth": 1, "minBandSize": 3}
    height_px = 14 * len(faces) + 8
    return {"data": {"values": values[:MOST_BLINKS]}, "height": height_px, "mark": mark, "encoding": encoding}
