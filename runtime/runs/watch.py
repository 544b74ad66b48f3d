"""A video -> its frames in their order, each with its faces, by an open pipeline."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from numbers import Real
from os import PathLike

import numpy as np

from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import check, is_count, is_number
from of3.runtime.sources.frames import Frame, selected
from of3.runtime.sources.video import Video
from of3.runtime.tracks.cuts import Thumbnail, is_cut, thumbnail
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.tracks.watched import WatchedFrame, watched
from of3.runtime.types import Analysis, Failure, Moment, Pixels, SeenFrame
from of3.runtime.vision.lens import USUAL

GIVEN = "given"  # word of a time that came with its frame


@dataclass(frozen=True, slots=True)
class Watching:
    """How a video is looked at.  faces: of a frame, the best, 0 for all.  The rest: as of `frames.selected`."""

    faces: int = 0
    every: int = 1
    fps: float = inf
    start_s: float = 0.0
    end_s: float = inf

    def __post_init__(self) -> None:
        """Raises SettingsError."""
        check(self, "faces", is_count(self.faces, 0), "a whole number, 0 for all")
        check(self, "every", is_count(self.every, 1), "a whole number from 1 on")
        check(self, "fps", is_number(self.fps, 0, inf) and self.fps != 0, "a number above 0")
        check(self, "start_s", is_number(self.start_s, 0, sys.float_info.max), "seconds from 0 on")
        check(self, "end_s", is_number(self.end_s, 0, inf), "seconds from 0 on")

    def selected(self, frames: Iterable[Frame], after: int = -1) -> Iterator[Frame]:
        return selected(frames, self.every, self.fps, self.start_s, self.end_s, after)


class _Shot:
    """A frame under way.  Its pixels are made by the thread that wants them; what stays is the thumbnail."""

    def __init__(self, frame: Frame):
        self.moment = Moment(frame.number, frame.time_s, frame.time_source)
        self.thumb: Thumbnail | None = None
        self._make: Callable[[], Pixels] | None = frame.pixels

    def __call__(self) -> Pixels:
        assert self._make is not None, "asked for once"
        pixels = self._make()
        self.thumb, self._make = thumbnail(pixels), None
        return pixels

    def seen(self, found: Analysis | Failure, before: Thumbnail | None) -> SeenFrame:
        """With what was found in it.  before: of the last frame before it that could be read."""
        is_new = before is not None and self.thumb is not None and is_cut(self.thumb, before)
        records = found.faces if isinstance(found, Analysis) else ()
        return SeenFrame(self.moment, records, None if records else _why(found), is_new)


def seen(
    pipeline: Pipeline,
    frames: Iterable[Frame],
    faces: int = 0,
    au_to_index: Mapping[int, int] | None = None,
    before: Thumbnail | None = None,
) -> Iterator[SeenFrame]:
    """Frames -> what was found in each, in order.  before: of the frame before the first."""
    shots = ((shot, shot) for shot in map(_Shot, frames))
    for shot, found in pipeline.run_faces_keyed(shots, faces, au_to_index):
        yield shot.seen(found, before)
        before = before if shot.thumb is None else shot.thumb


def _why(found: Analysis | Failure) -> Failure:
    """Why a frame has no face."""
    if isinstance(found, Failure):
        return found
    failed = (*found.failed, found.taken)
    return next(each for each in failed if isinstance(each, Failure))


class Watcher:
    """Frames one by one, each done with before the next is taken: least time for one, where `seen` goes
    through most of them in a second."""

    def __init__(
        self,
        pipeline: Pipeline,
        following: Following,
        faces: int = 0,
        au_to_index: Mapping[int, int] | None = None,
    ):
        """faces: of a frame, the best, 0 for all."""
        self._pipeline, self._faces, self._aus = pipeline, faces, au_to_index
        self._follower = Follower(following)
        self._before: Thumbnail | None = None

    def watched(self, frame: Frame) -> WatchedFrame:
        """The next frame.  Raises as `Pipeline.run` does."""
        shot = _Shot(frame)
        ((_, found),) = self._pipeline.run_faces_keyed([(shot, shot)], self._faces, self._aus)
        made = shot.seen(found, self._before)
        self._before = self._before if shot.thumb is None else shot.thumb
        return watched(made, self._follower)


def watch(
    pipeline: Pipeline,
    video: str | PathLike[str] | Iterable[tuple[Pixels, float]],
    watching: Watching | None = None,
    following: Following | None = None,
    au_to_index: Mapping[int, int] | None = None,
) -> Iterator[WatchedFrame]:
    """A video, or pictures with their times in s, which increase -> its frames, in order, with their faces.

    pipeline: one that detects.  following: without one faces are followed and heads have their pose by the
    camera that OpenFace 2.2 supposes of each frame's size.  Arrays are copied when they are taken.  Raises
    VideoError, TypeError where a picture comes without its time, and what the iterable raises behind the frames
    before.
    """
    watching = watching or Watching()
    with _opened(video, pipeline.settings.max_pixels) as frames:
        follower = Follower(following or Following(camera=USUAL))
        for frame in seen(pipeline, watching.selected(frames), watching.faces, au_to_index):
            yield watched(frame, follower)


@contextmanager
def _opened(
    video: str | PathLike[str] | Iterable[tuple[Pixels, float]], max_pixels: int
) -> Iterator[Iterator[Frame]]:
    if isinstance(video, str | PathLike):
        with Video(str(video), max_pixels) as opened:
            yield opened.frames()
        return
    yield (_given(*each) for each in enumerate(video))


def _timed(picture: object) -> tuple[Pixels, float]:
    """Raises TypeError: it is none."""
    match picture:
        case (np.ndarray() as pixels, Real() as time_s):
            return pixels, float(time_s)
    parts = picture if isinstance(picture, tuple) else (picture,)
    got = ", ".join(type(each).__name__ for each in parts)
    raise TypeError(f"got ({got}), want a picture and its time: (BGR uint8 (H,W,3), seconds)")


def _given(number: int, picture: tuple[Pixels, float]) -> Frame:
    pixels, time_s = _timed(picture)
    copied = np.array(pixels)
    return Frame(number, time_s, GIVEN, lambda: copied)
