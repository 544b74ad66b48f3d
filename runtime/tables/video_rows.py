"""A watched frame -> its rows of the video's table; a video's records -> all of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from of3.runtime.logs.columns import MOMENT, Column, Value, face_columns
from of3.runtime.logs.face_rows import face_row, no_face_row
from of3.runtime.logs.frames import frames_of
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.store import Store
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.tracks.watched import WatchedFrame, watched
from of3.runtime.types import SeenFrame
from of3.runtime.vision.pose import Camera


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


def following_of(flags: Mapping[str, Any], size_px: tuple[int, int]) -> Following:
    """How faces are followed in a video of this width and height.  flags: of `of3 video`, its own, by name."""
    usual = Camera.of(*size_px)
    camera = Camera(
        flags["fx"] or usual.fx_px,
        flags["fy"] or usual.fy_px,
        flags["cx"] or usual.cx_px,
        flags["cy"] or usual.cy_px,
    )
    return Following(flags["track_gap"], flags["smooth"], camera if flags["head_pose"] else None)


def stored_rows(store: Store, points: int, names: OutputNames | None = None) -> Iterator[list[Value]]:
    """A video's records -> its rows, as `video_columns`.  names: None for those of its run.

    Raises RunError where they are damaged.
    """
    follower = Follower(following_in(store))
    for frame in frames_of(store, store.last_run, names):
        yield from rows_of(watched(frame, follower), points)


def following_in(store: Store) -> Following:
    """How faces were followed in a video, by its records.  Raises RunError where they are damaged."""
    run = store.last_run
    return following_of(store.run(run).identity["video"], _size_px(frames_of(store, run)))


def _size_px(frames: Iterable[SeenFrame]) -> tuple[int, int]:
    """Of the first frame that has a face; of none where none has, and nobody asks for it."""
    sizes = (face.size_px for frame in frames for face in frame.faces if face.size_px is not None)
    return next(sizes, (0, 0))
