"""A run of this process over videos, one after the other, each straight into its own files.

The unit of work is a whole video: a part of one would need what the tracker, the blinks and the filter know of
the part before, and a decoder comes to a part only through what lies before it.
"""

import importlib.metadata
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.errors import Errors
from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.frames import VideoItem
from of3.runtime.logs.items import stamp_of
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Run
from of3.runtime.logs.made import Session as Made
from of3.runtime.logs.opening import is_folder
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.video import (
    FACTS,
    FINISHED,
    TABLE,
    VideoLogs,
    is_begun,
    is_of_other,
    named,
    place_of,
    stems_there,
)
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.logs.writer import write_au_info
from of3.runtime.runs.flags import identity_of, most_of, to_json
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.lock import locked
from of3.runtime.runs.messages import tell
from of3.runtime.runs.progress import progress_bar
from of3.runtime.runs.runinfo import made_with
from of3.runtime.runs.session import Session, or_run_broken
from of3.runtime.runs.video_facts import Decoded, Facts, Tally, errors_of
from of3.runtime.runs.video_rows import columns_of, rows_of
from of3.runtime.runs.videos import VideoFile, top_of, videos
from of3.runtime.runs.watch import Watching, seen, watched
from of3.runtime.sources.container import VideoError
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video, VideoInfo
from of3.runtime.tracks.cuts import Thumbnail, thumbnail
from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.types import Failure, RunError, SeenFrame
from of3.runtime.video_options import OWN, SHARED, VideoOptions
from of3.runtime.vision.pose import Camera

PLAIN = Layout("", (), ",")  # how rows are written
GOES_ON = "--resume on goes on from there"

log = logging.getLogger(__name__)


def in_this_process(options: VideoOptions, cores: int = 0) -> None:
    """Every video has its rows afterwards, or its line in errors.tsv; of a share its videos.

    cores: that may be kept busy, 0 for all.
    Raises RunError (exit 2); RunBroken (no engine is left), OSError (the logs cannot be written), Interrupted.
    """
    folder, files = asked_for(options)
    held = folder
    if options.run.shard is not None:  # shares write beside each other, none twice at a time
        part, of = options.run.shard
        files, held = files[part::of], folder / VIDEOS / f"share_{part}_of_{of}"
    with locked(held) as lock, Interruption() as interruption:
        check_not_begun(options, folder, files)
        run = replace(options.run, aligned=top_of(options.inputs))
        with Session(run, cores) as session, Errors(folder) as errors:
            tell(session.messages())
            job = _job(options, folder, session, errors, interruption, lock)
            for file in files:
                job.analyse(file)
                interruption.check(GOES_ON)


def asked_for(options: VideoOptions) -> tuple[Path, list[VideoFile]]:
    """`<logs>/openface3`, and the videos.  Raises RunError: something else is in the way, or there are none."""
    folder = options.run.logs / FOLDER
    is_folder(folder)
    return folder, videos(options.inputs, stems_there(folder), options.run.follow_links)


def check_not_begun(options: VideoOptions, folder: Path, files: Sequence[VideoFile]) -> None:
    """Raise RunError where nobody says what becomes of results that are there."""
    begun = [file.path for file in files if is_begun(place_of(folder, file.stem))]
    if begun and not options.run.resume and not options.run.override:
        raise RunError(
            f"{begun[0]}{f' and {len(begun) - 1} more' * (len(begun) > 1)}: has results in {folder / VIDEOS}: "
            "pass --resume on to go on, --override to start anew, or another --logs"
        )


def _job(
    options: VideoOptions,
    folder: Path,
    session: Session,
    errors: Errors,
    interruption: Interruption,
    lock: Known | None,
) -> "Job":
    run = session.run_of(session.calibration(folder / "au_info.json"))
    flags = {name: to_json(options.run)[name] for name in SHARED}
    own = {name: getattr(options, name) for name in OWN}
    identity = {
        **identity_of(flags, session.pipeline.bundle.digest),
        "au": run.identity["au"],
        "av": importlib.metadata.version("av"),  # another FFmpeg, other pixels
        "video": own,
    }
    of_share = options.run.shard and folder / f".au_info.{options.run.shard[0]}.tmp"
    write_au_info(folder, run.au_info, of_share)
    run = replace(run, identity=identity, root="")
    return Job(options, folder, session, errors, interruption, lock, run, {**flags, **own})


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to each video."""

    options: VideoOptions
    folder: Path
    session: Session
    errors: Errors
    interruption: Interruption
    lock: Known | None
    run: Run
    flags: Mapping[str, Any]

    def analyse(self, file: VideoFile) -> None:
        """Write a video's rows, or why there are none."""
        try:
            with Video(file.path, self.options.run.max_pixels) as video:
                self._analyse(file, video)
        except VideoError as error:
            self.session.check_input()
            log.warning("%s: %s", file.path, error)
            self.errors.tell([Failure(file.path, "read", str(error))])

    def _analyse(self, file: VideoFile, video: Video) -> None:
        place, pass_ = place_of(self.folder, file.stem), _Pass(self, video)
        item, layout = VideoItem(file.path, stamp_of(file.path)), pass_.layout(place)
        is_anew = self.options.run.override and not self.options.run.resume
        if not is_anew and is_of_other(place, item):
            log.warning("%s: another file than it was: analysed anew", file.path)
            is_anew = True
        with VideoLogs(place, item, self.run, layout, is_anew, self.lock) as logs:
            if logs.is_finished:
                log.info("%s: done before", file.path)
                return
            start, before = time.time(), self.session.pipeline.batches()
            made = partial(made_with, self.session.pipeline, before)
            facts = Facts(file.path, video, self.flags, made(), pass_.tally, pass_.decoded)
            logs.restore(map(pass_.text, logs.frames()))
            facts.write(named(place, FACTS))
            logs.note_session(Made(made(), start, time.time()))
            watched_s = pass_.go_on(logs)
            logs.finish()
            is_whole = not self.interruption.came
            logs.note_session(Made({**made(), FINISHED: is_whole}, start, time.time()))
            elapsed_s = time.time() - start
            facts = replace(facts, made=made())
            facts.write(named(place, FACTS), elapsed_s if is_whole else None, watched_s)
        if is_whole:
            self.errors.tell(list(errors_of(file.path, video.notes, pass_.tally)))
            log.info("%s", _summary(file.path, pass_.tally, len(video.notes), watched_s, elapsed_s))


class _Pass:
    """One video, gone through once."""

    def __init__(self, job: Job, video: Video):
        options = job.options
        self._job, self._video = job, video
        self._watching = Watching(
            most_of(options.run.faces), options.every, options.fps, options.start, options.end
        )
        camera = _camera(options, video.info) if options.head_pose else None
        self._follower = Follower(Following(options.track_gap, options.smooth, camera))
        self._points = job.run.rows.points
        self.tally, self.decoded = Tally(), Decoded()

    def layout(self, place: Path) -> Layout:
        return Layout(named(place, TABLE).name, columns_of(self._points), ",")

    def text(self, frame: SeenFrame) -> bytes:
        """The rows of the next frame."""
        made = watched(frame, self._follower)
        self.tally.count(made)
        return PLAIN.text(list(rows_of(made, self._points)))

    def go_on(self, logs: VideoLogs) -> float:
        """Add the frames behind those that there are; how many seconds of the video they last."""
        job, before = self._job, self.tally.frames
        decoded = self.decoded.counting(self._video.frames())
        frames = self._watching.selected(decoded, after=self.tally.frame_before)
        start_s, thumb = 0.0, self._last_seen(frames)
        if thumb is not None:
            start_s = self.decoded.end_s
        claimed = self._video.info.claimed_frames
        total = None if claimed is None else claimed // self._watching.every
        until = job.interruption.until(frames)
        with or_run_broken(), progress_bar(total, "frames") as shown:
            pipeline, aus = job.session.pipeline, job.run.names.aus
            for frame in seen(pipeline, until, self._watching.faces, aus, thumb):
                logs.add(frame, self.text(frame))
                shown(Counts(self.tally.frames - before), before)
        return max(self.decoded.end_s - start_s, 0.0)

    def _last_seen(self, frames: Iterator[Frame]) -> Thumbnail | None:
        """Of the last frame that was added: whether there is a cut behind it, it alone can tell."""
        if self.tally.frames == 0:
            return None
        frame = next(frames, None)
        if frame is None or frame.number != self.tally.last_frame:
            raise RunError("the video is another than it was: pass --override to start anew")
        return thumbnail(frame.pixels())


def _camera(options: VideoOptions, info: VideoInfo) -> Camera:
    usual = Camera.of(info.width, info.height)
    return Camera(
        options.fx or usual.fx_px,
        options.fy or usual.fy_px,
        options.cx or usual.cx_px,
        options.cy or usual.cy_px,
    )


def _summary(path: str, tally: Tally, notes: int, watched_s: float, elapsed_s: float) -> str:
    """A video in one line of a terminal."""
    faces = f"{tally.tracked} face{'s' * (tally.tracked != 1)}"
    without = f", {tally.without_face} frames without one" if tally.without_face else ""
    damaged = ", damaged (errors.tsv)" if notes else ""
    speed = f"{watched_s / max(elapsed_s, 1e-9):.1f} x real time"
    return f"{Path(path).name}: {tally.frames} frames, {faces}{without}{damaged}, {speed}"
