"""What was counted -> the sections of a page."""

import os
from collections.abc import Callable, Iterator, Sequence

from of3.runtime.logs.columns import EMOTIONS, UNITS, legible
from of3.runtime.pages.charts import bars, density, histogram
from of3.runtime.pages.page import Caution, Chart, Figure, Part, Section, Sheet, Table, Text
from of3.runtime.report.batch import Spot
from of3.runtime.report.histogram import Histogram
from of3.runtime.report.odd import KINDS
from of3.runtime.report.poses import Poses
from of3.runtime.report.repeats import SAME, Alike
from of3.runtime.report.summary import Measured, Summary

Thumbnail = Callable[[Spot], str]  # a data URI, or nothing
Short = Callable[[Spot], str]  # how a place is called below its picture
ALIKE = f"every AU, emotion and gaze as of another, when rounded to {SAME}"


def counts_section(title: str, what: str, summary: Summary, thumbnail: Thumbnail) -> Section:
    """What became of all.  what: "pictures" or "frames"."""
    done = summary.pictures - summary.without_row
    rows = [
        [what, f"{summary.pictures:,}"],
        ["with the face that was asked for", _share(done, summary.pictures)],
        ["failed", _share(summary.without_row, summary.pictures)],
        ["faces in the records", f"{summary.faces:,}"],
        [f"{what} with several faces", f"{summary.several:,}"],
        [f"damaged {what}, decoded all the same", f"{summary.damaged:,}"],
    ]
    parts: list[Part] = [Table("Counts", ["what", "how many"], rows)]
    short = _short(summary)
    reasons = sorted(summary.reasons.items(), key=lambda item: -item[1].count)
    if reasons:
        told = [[reason, stage, _share(each.count, summary.pictures)] for (stage, reason), each in reasons]
        parts.append(Table("Failures", ["reason", "stage", "how many"], told))
        chart = {reason or stage: float(each.count) for (stage, reason), each in reasons[:12]}
        parts.append(bars("Failures by reason", chart, what))
        parts += [
            Sheet(
                f"{reason or stage}: the first",
                [_figure(spot, thumbnail, legible(failure.reason), short) for failure, spot in each.examples],
            )
            for (stage, reason), each in reasons
        ]
    return Section(title, parts)


def distributions_section(title: str, summary: Summary, poses: Poses) -> Section:
    if not summary.faces:
        return Section(title, [Text("No face.")])
    others = [*summary.measured_gaze(), *poses.measured_angles(), *summary.measured_boxes()]
    edges = summary.gaze.edges
    plane = density("Gaze", ("yaw, deg", "pitch, deg"), (edges, edges), summary.gaze.counts)
    parts: list[Part] = [
        Section("Action units", list(map(_chart, summary.measured_units()))),
        Section("Emotions", list(_emotions(summary))),
        Section("Gaze, head and box", [plane, *map(_chart, others)]),
    ]
    if poses.measured:
        parts.append(Text(f"Head poses: of {poses.measured:,} faces, a sample of those with landmarks."))
    parts.append(_numbers([*summary.measured_units(), *summary.measured_emotions(), *others]))
    return Section(title, parts)


def _emotions(summary: Summary) -> Iterator[Chart]:
    yield bars("The most probable", {label: summary.emotions[label] for label in EMOTIONS}, "faces")
    means = {each.name: round(each.counted.mean, 4) for each in summary.measured_emotions()}
    yield bars("Mean probability", means)


def _chart(measured: Measured) -> Chart:
    return histogram(measured.name, measured.unit, measured.counted.edges, measured.counted.bins)


def _numbers(measured: Sequence[Measured]) -> Table:
    rows = [[each.name, each.unit, f"{each.counted.total:,}", *_said(each.counted)] for each in measured]
    head = ["column", "unit", "values", "mean", "deviation", "median", "least", "most"]
    return Table("In numbers; values beyond a chart's range are in its outermost bins", head, rows)


def _said(counted: Histogram) -> Iterator[str]:
    for value in (counted.mean, counted.deviation, counted.median, counted.least, counted.most):
        yield f"{value:.3f}"


def extremes_section(title: str, summary: Summary, thumbnail: Thumbnail) -> Section:
    """The most and the least of each unit."""
    parts: list[Part] = []
    for unit, most, least in zip(UNITS, summary.most, summary.least, strict=True):
        if most.kept:
            sheets = [
                _sheet(word, top.kept, thumbnail, "%.3f", _short(summary))
                for word, top in (("The most", most), ("The least", least))
            ]
            parts.append(Section(f"AU{unit:02d}", sheets))
    return Section(title, parts or [Text("No face.")])


def odd_section(title: str, summary: Summary, thumbnail: Thumbnail, alike: Alike | None = None) -> Section:
    """alike: None where nobody looked for faces with the same numbers."""
    parts: list[Part] = []
    constant = summary.constants()
    if constant and summary.faces > 1:
        parts.append(Caution(f"The same in every one of {summary.faces:,} rows: {', '.join(constant)}."))
    odds = [(kind, summary.odds[kind.name]) for kind in KINDS]
    rows = [[kind.name, kind.text, _share(odd.count, summary.faces)] for kind, odd in odds]
    if alike is not None:
        rows.append(["near-duplicate", ALIKE, _share(alike.count, summary.faces)])
    head = ["what", "how it is known", "faces"]
    parts.append(Table("Faces to look at before their numbers are believed", head, rows))
    short = _short(summary)
    parts += [
        _sheet(kind.name, odd.top.kept, thumbnail, kind.value, short) for kind, odd in odds if odd.top.kept
    ]
    if alike is not None and alike.groups:
        groups = [[str(number), ", ".join(names)] for number, names in enumerate(alike.groups, 1)]
        parts.append(Table("Near-duplicates: the largest groups", ["group", "some of it"], groups))
    return Section(title, parts)


def _sheet(caption: str, spots: list[Spot], thumbnail: Thumbnail, value: str, short: Short) -> Sheet:
    notes = [value % spot.value if value else "" for spot in spots]
    figures = [_figure(spot, thumbnail, note, short) for spot, note in zip(spots, notes, strict=True)]
    return Sheet(caption, figures)


def _figure(spot: Spot, thumbnail: Thumbnail, note: str, short: Short) -> Figure:
    return Figure(thumbnail(spot), name_of(spot), note, short(spot))


def _short(summary: Summary) -> Short:
    """How a place in one of several videos is called, or in the only one, or a picture."""
    return _of_several if summary.videos > 1 else _of_one


def _of_several(spot: Spot) -> str:
    return f"{legible(os.path.basename(spot.path))}, {_of_one(spot)}"


def _of_one(spot: Spot) -> str:
    return legible(os.path.basename(spot.path)) if spot.frame is None else f"{spot.time_s:.2f} s"


def name_of(spot: Spot) -> str:
    """As a page says it: the path may hold anything."""
    name = legible(spot.path)
    return name if spot.frame is None else f"{name}, {spot.time_s:.2f} s (frame {spot.frame})"


def _share(count: int, of: int) -> str:
    return f"{count:,}" if not of or not count else f"{count:,} ({count / of:.1%})"
