"""A video drawn anew with what its records know."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from of3.runtime.logs.frames import VideoItem, frames_of
from of3.runtime.logs.items import stamp_of
from of3.runtime.logs.opening import make_folder, make_folders
from of3.runtime.logs.store import Store, open_store
from of3.runtime.logs.video import FACTS, RECORDS, named, path_said, stamp_in
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.runs.drawn import Drawing, drawing_of
from of3.runtime.runs.progress import counting_bar
from of3.runtime.runs.video_overlay import SUFFIX, VideoOverlay
from of3.runtime.settings import Faces
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from of3.runtime.tables.video_rows import following_in
from of3.runtime.tracks.follower import Follower
from of3.runtime.tracks.watched import WatchedFrame, watched
from of3.runtime.types import PictureError


@dataclass(frozen=True, slots=True)
class Drawn:
    """has_arrows: whether it is known where somebody looks."""

    frames: int
    has_arrows: bool


def draw_video(
    folder: Path, stem: str, out: Path, faces: Faces, how: str = "mode=rw", threads: int = 0
) -> Drawn:
    """Draw `<out>/<stem>.mp4`; what is in it.  how: its store is to be opened.

    threads: for drawing and encoding, 0 for one a core.
    Raises PictureError: the video is not there any more, or is another than it was; RunError: records are
    damaged; OSError.
    """
    place = folder / VIDEOS / stem
    path = _path(place)
    with open_store(named(place, RECORDS), how) as store:
        item = VideoItem(path, stamp_of(path))
        _check(store, item)
        drawing = drawing_of(store.run(store.last_run), store.sessions(), faces)
        with Video(path, drawing.max_pixels) as video:
            frames = _draw(store, item, video, drawing, place_below(out, stem), threads)
            return Drawn(frames, drawing.gaze is not None)


def _draw(store: Store, item: VideoItem, video: Video, drawing: Drawing, place: Path, threads: int) -> int:
    number = store.last_run
    follower = Follower(following_in(store))
    known = (watched(frame, follower) for frame in frames_of(store, number))
    with (
        VideoOverlay(place, item.path, video, drawing, threads) as overlay,
        counting_bar(store.counts(number).total, "frames") as shown,
    ):
        for frame, found in paired(video.frames(), known):
            overlay.add(frame, found)
            shown()
        overlay.finish()
        if not overlay.frames:
            raise PictureError("no frame of it could be read")
        return overlay.frames


def paired(frames: Iterator[Frame], known: Iterator[WatchedFrame]) -> Iterator[tuple[Frame, WatchedFrame]]:
    """Each frame that was analysed with what is known of it.  Raises PictureError: the video lacks one."""
    for found in known:
        number = found.moment.frame
        frame = next((frame for frame in frames if frame.number >= number), None)
        if frame is None or frame.number != number:
            raise PictureError(f"has no frame {number}, which was analysed: another video")
        yield frame, found


def _check(store: Store, item: VideoItem) -> None:
    """Raise PictureError unless the video is there, as it was when it was analysed."""
    if not os.path.lexists(item.path):
        raise PictureError(f"{item.path} is not there any more")
    stamp = stamp_in(store)
    if stamp is None:
        raise PictureError("no frame of it was analysed")
    if stamp != item.stamp:
        raise PictureError(f"{item.path} has changed since it was analysed")


def _path(place: Path) -> str:
    """As `path_said`.  Raises PictureError, RunError."""
    try:
        return path_said(place)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PictureError(f"{named(place, FACTS).name}: does not say which video it is of: {error}") from error


def place_below(out: Path, stem: str) -> Path:
    """Where the drawing of a video goes; its folders are made.  Raises RunError: something is in the way."""
    place = out / f"{stem}{SUFFIX}"
    make_folder(out)
    make_folders(out, place)
    return place
