"""What was counted -> the sections of a page."""

import os
from collections.abc import Callable, Iterator

from of3.runtime.logs.columns import EMOTIONS, UNITS, legible
from of3.runtime.pages.charts import bars, density, histogram
from of3.runtime.pages.page import Caution, Chart, Figure, Part, Section, Sheet, Table, Text
from of3.runtime.report.batch import Spot
from of3.runtime.report.histogram import Histogram
from of3.runtime.report.odd import KINDS
from of3.runtime.report.poses import ANGLES, Poses
from of3.runtime.report.repeats import SAME
from of3.runtime.report.summary import Summary

Thumbnail = Callable[[Spot], str]  # a data URI, or nothing


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
    reasons = sorted(summary.reasons.items(), key=lambda item: -item[1].count)
    if reasons:
        told = [[reason, stage, _share(each.count, summary.pictures)] for (stage, reason), each in reasons]
        parts.append(Table("Failures", ["reason", "stage", "how many"], told))
        chart = {reason or stage: float(each.count) for (stage, reason), each in reasons[:12]}
        parts.append(bars("Failures by reason", chart, what))
        parts += [
            Sheet(
                f"{reason or stage}: the first",
                [_figure(spot, thumbnail, legible(failure.reason)) for failure, spot in each.examples],
            )
            for (stage, reason), each in reasons
        ]
    return Section(title, parts)


def distributions_section(title: str, summary: Summary, poses: Poses) -> Section:
    if not summary.faces:
        return Section(title, [Text("No face.")])
    named = [(f"AU{unit:02d}", each) for unit, each in zip(UNITS, summary.aus, strict=True)]
    gaze = [("Gaze yaw", summary.gaze_sides[0]), ("Gaze pitch", summary.gaze_sides[1])]
    angles = [(f"Head {name}", each) for name, each in zip(ANGLES, poses.angles_deg, strict=True) if each.total]
    sure = [("Confidence", summary.confidence)] if summary.confidence.total else []
    parts: list[Part] = [Section("Action units", [_chart(*each, "score") for each in named])]
    parts.append(Section("Emotions", list(_emotions(summary))))
    plane = density(
        "Gaze", ("yaw, deg", "pitch, deg"), (summary.gaze.edges, summary.gaze.edges), summary.gaze.counts
    )
    parts.append(
        Section(
            "Gaze, head and box",
            [
                plane,
                *(_chart(*each, "deg") for each in (*gaze, *angles)),
                *(_chart(*each, "probability") for each in sure),
            ],
        )
    )
    if angles:
        parts.append(Text(f"Head poses: of {poses.measured:,} faces, a sample of those with landmarks."))
    every = [(name, each, "score") for name, each in named]
    every += [
        (f"emotion {name}", each, "probability") for name, each in zip(EMOTIONS, summary.shares, strict=True)
    ]
    every += [(name, each, "deg") for name, each in (*gaze, *angles)]
    every += [(name, each, "probability") for name, each in sure]
    parts.append(_numbers(every))
    return Section(title, parts)


def _emotions(summary: Summary) -> Iterator[Chart]:
    yield bars("The most probable", {label: summary.emotions[label] for label in EMOTIONS}, "faces")
    means = {
        name: round(each.mean, 4) for name, each in zip(EMOTIONS, summary.shares, strict=True) if each.total
    }
    yield bars("Mean probability", means)


def _chart(name: str, counted: Histogram, unit: str) -> Chart:
    return histogram(name, unit, counted.edges, counted.bins)


def _numbers(named: list[tuple[str, Histogram, str]]) -> Table:
    rows = [
        [
            name,
            unit,
            f"{each.total:,}",
            *(f"{value:.3f}" for value in (each.mean, each.deviation, each.median, each.least, each.most)),
        ]
        for name, each, unit in named
        if each.total
    ]
    head = ["column", "unit", "values", "mean", "deviation", "median", "least", "most"]
    return Table("In numbers; values beyond a chart's range are in its outermost bins", head, rows)


def extremes_section(title: str, summary: Summary, thumbnail: Thumbnail) -> Section:
    """The most and the least of each unit."""
    parts: list[Part] = []
    for unit, most, least in zip(UNITS, summary.most, summary.least, strict=True):
        if most.kept:
            sheets = [
                _sheet(word, top.kept, thumbnail, "%.3f")
                for word, top in (("The most", most), ("The least", least))
            ]
            parts.append(Section(f"AU{unit:02d}", sheets))
    return Section(title, parts or [Text("No face.")])


def odd_section(
    title: str, summary: Summary, thumbnail: Thumbnail, alike: tuple[int, list[list[str]]] | None = None
) -> Section:
    """alike: how many faces have another's numbers, and names of some; None where nobody looked."""
    parts: list[Part] = []
    constant = summary.constants()
    if constant and summary.faces > 1:
        said = f"The same value in every one of {summary.faces:,} rows: {', '.join(constant)}."
        parts.append(Caution(said))
    rows = [[kind.name, kind.text, _share(summary.odds[kind.name].count, summary.faces)] for kind in KINDS]
    if alike is not None:
        text = f"every AU, emotion and gaze as of another, when rounded to {SAME}"
        rows.append(["near-duplicate", text, _share(alike[0], summary.faces)])
    parts.append(
        Table("Faces to look at before their numbers are believed", ["what", "how it is known", "faces"], rows)
    )
    for kind in KINDS:
        if summary.odds[kind.name].top.kept:
            parts.append(_sheet(kind.name, summary.odds[kind.name].top.kept, thumbnail, kind.value))
    if alike is not None and alike[1]:
        parts.append(
            Table(
                "Near-duplicates: the largest groups",
                ["group", "some of it"],
                [[str(number), ", ".join(names)] for number, names in enumerate(alike[1], 1)],
            )
        )
    return Section(title, parts)


def _sheet(caption: str, spots: list[Spot], thumbnail: Thumbnail, value: str) -> Sheet:
    notes = [value % spot.value if value else "" for spot in spots]
    return Sheet(caption, [_figure(spot, thumbnail, note) for spot, note in zip(spots, notes, strict=True)])


def _figure(spot: Spot, thumbnail: Thumbnail, note: str) -> Figure:
    name = legible(os.path.basename(spot.path)) if spot.frame is None else f"{spot.time_s:.2f} s"
    return Figure(thumbnail(spot), name_of(spot), note, name)


def name_of(spot: Spot) -> str:
    """As a page says it: the path may hold anything."""
    name = legible(spot.path)
    return name if spot.frame is None else f"{name}, {spot.time_s:.2f} s (frame {spot.frame})"


def _share(count: int, of: int) -> str:
    return f"{count:,}" if not of or not count else f"{count:,} ({count / of:.1%})"
