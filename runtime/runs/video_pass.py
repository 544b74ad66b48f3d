"""One video, gone through once: its frames -> the rows of its table, what is known of it, its logs."""

from collections import deque
from collections.abc import Iterator

from of3.runtime.logs.columns import texts
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.made import Run
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.video import VideoLogs
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.flags import most_of
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.progress import Progress
from of3.runtime.runs.video_facts import Decoded, Tally
from of3.runtime.runs.video_overlay import VideoOverlay
from of3.runtime.runs.watch import Watching, seen
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from of3.runtime.tables.video_rows import following_of, rows_of, video_columns
from of3.runtime.tracks.cuts import Thumbnail, thumbnail
from of3.runtime.tracks.follower import Follower
from of3.runtime.tracks.watched import WatchedFrame, watched
from of3.runtime.types import RunError, SeenFrame
from of3.runtime.video_options import VideoOptions

PLAIN = Layout("", (), ",")  # how rows are written


class Pass:
    """First the frames that are in the logs, then the others."""

    def __init__(self, options: VideoOptions, run: Run, video: Video):
        self.video, self.columns = video, video_columns(run.rows.points)
        self.tally, self.decoded = Tally(), Decoded()
        self._run = run
        faces = most_of(options.run.faces)
        self._watching = Watching(faces, options.every, options.fps, options.start, options.end)
        self._follower = Follower(following_of(run.identity["video"]))

    def text(self, frame: SeenFrame) -> bytes:
        """The rows of the next frame."""
        return self._text(self._watched(frame))

    def _watched(self, frame: SeenFrame) -> WatchedFrame:
        made = watched(frame, self._follower)
        self.tally.count(made)
        return made

    def _text(self, frame: WatchedFrame) -> bytes:
        return PLAIN.text(list(texts(self.columns, rows_of(frame, self._run.rows.points))))

    def go_on(
        self,
        logs: VideoLogs,
        pipeline: Pipeline,
        interruption: Interruption,
        progress: Progress,
        overlay: VideoOverlay | None = None,
    ) -> float:
        """Add the frames behind those that there are; how many seconds of the video they last.

        overlay: gets each of them with what is known of it.
        """
        before, last = self.tally.frames, self.tally.last_frame
        chosen = self._watching.selected(self.decoded.counting(self.video.frames()), self._after)
        thumb = self._last_read(chosen)
        start_s = max(self.decoded.end_s, self._watching.start_s)
        behind = (frame for frame in chosen if frame.number > last)
        under_way = deque[Frame]()  # what is to be drawn
        frames = interruption.until(behind if overlay is None else _held(behind, under_way))
        with progress(self._claimed(), "frames") as shown:
            for frame in seen(pipeline, frames, self._watching.faces, self._run.names.aus, thumb):
                known = self._watched(frame)
                logs.add(frame, self._text(known))
                if overlay is not None:
                    overlay.add(under_way.popleft(), known)
                shown(Counts(self.tally.frames - before), before)
        return max(self.decoded.end_s - start_s, 0.0)

    @property
    def _after(self) -> int:
        """The number of the last frame that is no longer wanted."""
        return self.tally.last_frame if self.tally.last_read is None else self.tally.last_read - 1

    def _last_read(self, chosen: Iterator[Frame]) -> Thumbnail | None:
        """Of the last frame in the logs that could be read: it alone can tell of a cut behind it."""
        if self.tally.last_read is None:
            return None
        frame = next(chosen, None)
        if frame is None or frame.number != self.tally.last_read:
            raise RunError("the video is another than it was: pass --override to start anew")
        return thumbnail(frame.pixels())

    def _claimed(self) -> int | None:
        """How many frames there will be, as the file says, which may be wrong."""
        claimed = self.video.info.claimed_frames
        return None if claimed is None else claimed // self._watching.every


def _held(frames: Iterator[Frame], under_way: deque[Frame]) -> Iterator[Frame]:
    """The same, each of which stays in `under_way` until it is taken out there."""
    for frame in frames:
        under_way.append(frame)
        yield frame
