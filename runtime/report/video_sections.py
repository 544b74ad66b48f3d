"""Videos -> the sections of a page."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from of3.runtime.logs.columns import legible
from of3.runtime.pages.page import Part, Section, Table, Text
from of3.runtime.report.batch import Spot
from of3.runtime.report.line_charts import time_lines
from of3.runtime.report.lines import MOST_FACES, Lines
from of3.runtime.report.videos import VideoFound
from of3.runtime.types import Failure

OPEN = 3  # so many are not closed
MOST_ROWS = 500  # of the table of them
Columns = dict[str, list[Any]]


def videos_section(
    videos: Sequence[VideoFound], told: Sequence[Failure], thumbnail: Callable[[Spot], str]
) -> tuple[Section, dict[str, Columns]]:
    """Each with its time lines, and the datasets that these refer to.  told: of videos, in errors.tsv."""
    datasets = dict[str, Columns]()
    parts: list[Part] = [_table(videos)]
    if lacking := sum(found.lines is None for found in videos):
        said = f"{lacking:,} of {len(videos):,} videos have no time lines here: the page would be too large"
        parts.append(Text(f"{said}. Give them other --logs, or read their tables."))
    if len(videos) > MOST_ROWS:
        parts.append(Text(f"The first {MOST_ROWS} of {len(videos):,} videos are in the table."))
    if told:
        rows = [[legible(each.source), each.stage, legible(each.reason)] for each in told]
        parts.append(
            Table(
                f"What errors.tsv tells of videos, up to {MOST_ROWS} lines", ["video", "stage", "reason"], rows
            )
        )
    for number, found in enumerate(videos):
        if found.lines is not None:
            inside, columns = _of_video(found, found.lines, f"video {number}", thumbnail)
            parts.append(Section(found.name, inside, is_closed=number >= OPEN))
            datasets |= columns
    return Section("Videos: time lines", parts), datasets


def _table(videos: Sequence[VideoFound]) -> Table:
    head = ["video", "finished", "s", "frames", "faces", "people", "frames without one", "cuts", "damage"]
    caption = "faces: a face in a frame; people: faces that were followed"
    return Table(f"Videos; {caption}", head, list(map(_row, videos[:MOST_ROWS])))


def _row(found: VideoFound) -> list[str]:
    facts = found.facts
    notes = (note for note in _listed(facts, "notes") if isinstance(note, dict))
    return [
        found.name,
        ("yes" if facts["finished"] else "no") if "finished" in facts else "",
        _said(facts.get("duration_s")),
        f"{found.frames:,}",
        f"{found.faces:,}",
        _said(facts.get("faces_tracked", _followed(found))),
        _said(facts.get("frames_without_a_face")),
        str(len(_listed(facts, "cuts_s"))),
        "; ".join(legible(str(note.get("reason"))) for note in notes),
    ]


def _followed(found: VideoFound) -> int | None:
    """People, where every frame was gone through; None where nobody knows."""
    return None if found.lines is None or found.every > 1 else len(found.lines.faces)


def _listed(facts: Mapping[str, Any], name: str) -> list[Any]:
    found = facts.get(name)
    return found if isinstance(found, list) else []


def _said(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)


def _of_video(
    found: VideoFound, lines: Lines, name: str, thumbnail: Callable[[Spot], str]
) -> tuple[list[Part], dict[str, Columns]]:
    """name: what its datasets are called."""
    if not lines.faces:
        return [Text("No face in any frame.")], {}
    columns, pictures = lines.columns(), _pictures(found, lines, thumbnail)
    datasets = {name: columns, **({f"{name} pictures": pictures} if pictures["t"] else {})}
    chart = time_lines(lines, columns, name, f"{name} pictures" if pictures["t"] else "")
    return [chart, Text(_how(found, lines)), _faces_table(lines, found.every == 1)], datasets


def _how(found: VideoFound, lines: Lines) -> str:
    said = [
        f"Only every {found.every}th frame was followed for these lines: ids may differ from those of the "
        "video's table, and blinks are not counted."
        if found.every > 1
        else "Every frame was followed."
    ]
    if lines.step > 1:
        said.append(
            f"A point of a line is the range of {lines.step} of them, so that no peak of theirs is lost."
        )
    if lines.every > 1:
        said.append(f"The head's pose is of every {lines.every}th face, not smoothed.")
    if len(lines.faces) > MOST_FACES:
        said.append(f"Of {len(lines.faces)} faces the {MOST_FACES} that are in most frames have a line.")
    return " ".join(said)


def _faces_table(lines: Lines, has_blinks: bool) -> Table:
    rows = [
        [
            str(face_id),
            f"{line.rows:,}",
            f"{line.first_s:.2f}",
            f"{line.last_s:.2f}",
            str(len(line.blinks_s)) if has_blinks else "",
        ]
        for face_id, line in ((each, lines.faces[each]) for each in lines.shown)
    ]
    return Table("Faces", ["face_id", "frames", "first at s", "last at s", "blinks"], rows)


def _pictures(found: VideoFound, lines: Lines, thumbnail: Callable[[Spot], str]) -> Columns:
    """Each from the middle between it and the one before to that between it and the one behind."""
    shown = [spot for spot in found.spots if thumbnail(spot)]
    times = [spot.time_s for spot in shown]
    middles = [(before + after) / 2 for before, after in pairwise(times)]
    return {
        "t": [0.0, *middles][: len(shown)],
        "t_to": [*middles, max(lines.end_s, *times)] if shown else [],
        "image": [thumbnail(spot) for spot in shown],
    }
