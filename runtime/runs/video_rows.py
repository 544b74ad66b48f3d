"""A watched frame -> its rows of the video's table."""

from collections.abc import Iterator

from of3.runtime.logs.face_rows import face_cells, face_columns, no_face_cells
from of3.runtime.runs.watch import WatchedFrame

MOMENT = ("frame", "timestamp", "time_source")


def columns_of(points: int) -> tuple[str, ...]:
    """points: landmarks of a face, 0 where they do not run."""
    return (*MOMENT, *face_columns(points))


def rows_of(frame: WatchedFrame, points: int) -> Iterator[list[str]]:
    """As `columns_of`: one for each face, or one that says that there is none."""
    moment = frame.moment
    when = [str(moment.frame), f"{moment.time_s:.6f}", moment.time_source]
    for face in frame.faces:
        blink = None if face.found.eyes is None else face.is_blink
        yield when + face_cells(face.record, face.found, face.face_id, points, blink)
    if not frame.faces:
        yield when + no_face_cells(points)
