"""A video's frames with what is known of them -> an MP4, drawn and encoded on threads of its own."""

import logging
import os
from collections import deque
from contextlib import ExitStack
from pathlib import Path

from of3.engines.host import cores
from of3.engines.workers import Step, Workers
from of3.runtime.logs.files import fsync
from of3.runtime.logs.opening import is_there, new_file, remove
from of3.runtime.runs.drawn import Drawing, draw_frame
from of3.runtime.sources.film import Film
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.sound import Sound
from of3.runtime.sources.video import Video
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import Pixels

SUFFIX = ".mp4"
AHEAD = 4  # frames under way besides one for each thread

log = logging.getLogger(__name__)


class VideoOverlay:
    """Use as a context manager, from one thread; without `finish` there is no file."""

    def __init__(
        self,
        place: Path,
        path: str,
        video: Video,
        drawing: Drawing,
        threads: int = 0,
    ):
        """place: of the MP4, in a folder that is there.  path: of the video, which is open besides.

        threads: for drawing and for encoding, 0 for one a core.
        Raises VideoError, RunError: something else is in the way, or PyAV lacks the encoder; OSError.
        """
        self._place, self._drawing = place, drawing
        self._temporary = place.with_name(f".{place.name}.tmp")
        is_there(place)
        threads = threads or cores()
        self._most = threads + AHEAD
        with ExitStack() as stack:
            sound = stack.enter_context(Sound(path))
            stack.callback(self._discard)
            self._file = stack.enter_context(os.fdopen(new_file(self._temporary), "wb+"))
            self._film = stack.enter_context(Film(self._file, video, sound, threads))
            self._drawers = Workers(threads, "of3-draw")
            stack.callback(self._drawers.close)
            self._encoder = Workers(1, "of3-encode")
            stack.callback(self._encoder.close)
            self._stack = stack.pop_all()
        self._under_way: deque[Step[None]] = deque()
        if self._film.left_out:
            log.warning("%s: its sound (%s) is left out: no MP4 holds it", path, ", ".join(self._film.left_out))

    @property
    def frames(self) -> int:
        """Written so far."""
        return self._film.pictures

    def add(self, frame: Frame, known: WatchedFrame) -> None:
        """The next frame, which is left out where it has no pixels.  Waits while many are under way.

        Raises what drawing or writing one raised.
        """
        if known.failure is not None and known.failure.stage == "read":
            return
        drawn = self._drawers.submit(self._drawn, frame, known)
        self._under_way.append(self._encoder.submit(self._encode, drawn, frame.time_s))
        while len(self._under_way) > self._most:
            self._under_way.popleft()()

    def _drawn(self, frame: Frame, known: WatchedFrame) -> Pixels:
        pixels = frame.pixels()
        draw_frame(pixels, known, self._drawing)
        return pixels

    def _encode(self, drawn: Step[Pixels], time_s: float) -> None:
        self._film.add(drawn(), time_s)

    def finish(self) -> None:
        """Put the MP4 in its place, whole; of no frames there is none.  Raises as `add` does."""
        while self._under_way:
            self._under_way.popleft()()
        if not self.frames:
            return
        self._encoder.submit(self._film.finish)()
        self._file.flush()
        fsync(self._file.fileno(), self._temporary)
        self._file.close()
        self._temporary.replace(self._place)

    def _discard(self) -> None:
        remove(self._temporary)

    def __enter__(self) -> "VideoOverlay":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
