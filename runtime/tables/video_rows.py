"""A watched frame -> its rows of the video's table; a video's records -> all of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from of3.runtime.logs.columns import MOMENT, Column, Value, face_columns
from of3.runtime.logs.face_rows import face_row, no_face_row
from of3.runtime.logs.frames import frames_of
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.store import Store
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.tracks.watched import WatchedFrame, watched
from of3.runtime.vision.lens import Lens


def video_columns(points: int) -> tuple[Column, ...]:
    """points: landmarks of a face, 0 where they do not run."""
    return (*MOMENT, *face_columns(points))


def rows_of(frame: WatchedFrame, points: int) -> Iterator[list[Value]]:
    """As `video_columns`: one for each face, or one that says that there is none."""
    moment = frame.moment
    when: list[Value] = [moment.frame, moment.time_s, moment.time_source]
    for face in frame.faces:
        blink = None if face.found.eyes is None else face.is_blink
        yield when + face_row(face.record, face.found, face.face_id, points, blink)
    if not frame.faces:
        yield when + no_face_row(points)


def following_of(flags: Mapping[str, Any]) -> Following:
    """How faces are followed in a video.  flags: of `of3 video`, its own, by name."""
    lens = Lens(*(flags[name] for name in ("fx", "fy", "cx", "cy")))
    return Following(flags["track_gap"], flags["smooth"], lens if flags["head_pose"] else None)


def stored_rows(store: Store, points: int, names: OutputNames | None = None) -> Iterator[list[Value]]:
    """A video's records -> its rows, as `video_columns`.  names: None for those of its run.

    Raises RunError where they are damaged.
    """
    follower = Follower(following_in(store))
    for frame in frames_of(store, store.last_run, names):
        yield from rows_of(watched(frame, follower), points)


def following_in(store: Store) -> Following:
    """How faces were followed in a video, by its records.  Raises RunError where they are damaged."""
    return following_of(store.run(store.last_run).identity["video"])
