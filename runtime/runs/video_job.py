"""What is done to one video: its rows, straight into its own files.

The unit of work is a whole video: a part of one would need what the tracker, the blinks and the filter know of
the part before, and a decoder comes to a part only through what lies before it.
"""

import logging
import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from of3.runtime.logs.columns import names_of
from of3.runtime.logs.errors import Errors
from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.frames import VideoItem
from of3.runtime.logs.items import stamp_of
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Run
from of3.runtime.logs.made import Session as Made
from of3.runtime.logs.opening import is_folder, is_there, remove
from of3.runtime.logs.rows import Layout
from of3.runtime.logs.video import (
    FACTS,
    FINISHED,
    PARQUET,
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
from of3.runtime.opened import Message
from of3.runtime.runs.draw_video import draw_video, place_below
from of3.runtime.runs.flags import identity_of, to_json
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.picture_overlay import FOLDER as OVERLAY
from of3.runtime.runs.progress import Progress, progress_bar
from of3.runtime.runs.runinfo import made_with
from of3.runtime.runs.session import Session, or_run_broken
from of3.runtime.runs.video_facts import Facts
from of3.runtime.runs.video_overlay import VideoOverlay
from of3.runtime.runs.video_pass import Pass
from of3.runtime.runs.videos import VideoFile, videos
from of3.runtime.sources import container
from of3.runtime.sources.container import VideoError
from of3.runtime.sources.video import Video
from of3.runtime.tables.libraries import library
from of3.runtime.tables.parquet import write_parquet
from of3.runtime.tables.video_rows import stored_rows, video_columns
from of3.runtime.types import Failure, PictureError, RunError
from of3.runtime.video_options import OWN, SHARED, VideoOptions

log = logging.getLogger(__name__)


def asked_for(options: VideoOptions) -> tuple[Path, list[VideoFile]]:
    """`<logs>/openface3`, and the videos.

    Raises RunError: no PyAV, no pyarrow where one is wanted, no videos, or something else is in the way.
    """
    container.version()  # before a network is opened
    if options.format != "csv":
        library("pyarrow.parquet")
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


def job_of(
    options: VideoOptions,
    folder: Path,
    session: Session,
    errors: Errors,
    interruption: Interruption,
    lock: Known | None,
    cores: int = 0,
    progress: Progress = progress_bar,
) -> "Job":
    """folder: `<logs>/openface3`, there.  lock: by which it is held.  cores, progress: as of a Job."""
    run = session.run_of(session.calibration(folder / "au_info.json"))
    flags = {name: to_json(options.run)[name] for name in SHARED}
    given = {name: getattr(options, name) for name in OWN}
    own = {name: None if value == math.inf else value for name, value in given.items()}  # JSON has no infinity
    identity = {
        **identity_of(flags, session.pipeline.bundle.digest),
        "au": run.identity["au"],
        "av": container.version(),
        "video": {name: value for name, value in own.items() if OWN[name].matters},
    }
    # Shares and workers, on one machine or several, come here at the same time.
    write_au_info(folder, run.au_info, folder / f".au_info.{platform.node()}.{os.getpid()}.tmp")
    run = replace(run, identity=identity, root="")
    return Job(options, folder, session, errors, interruption, lock, run, {**flags, **own}, cores, progress)


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
    cores: int  # that may be kept busy, 0 for all
    progress: Progress  # how far a video is

    def analyse(self, file: VideoFile) -> Message:
        """Write a video's rows, or why there are none; what is to be said of it.

        Raises RunError: its logs are another run's, or damaged; RunBroken: no engine is left; OSError.
        """
        try:
            with Video(file.path, self.options.run.max_pixels) as video:
                said = self._analyse(file, video)
        except VideoError as error:
            self.session.check_input()
            self.errors.tell(file.path, [Failure(file.path, "read", str(error))])
            return logging.WARNING, f"{file.path}: {error}"
        if self.options.run.overlay and not self.interruption.came:
            self._draw_unless_drawn(file)
        return logging.INFO, said

    def _draw_unless_drawn(self, file: VideoFile) -> None:
        """From the logs: of a video that was gone on with, what had been drawn of it is lost."""
        out = self.folder / OVERLAY
        if not is_there(place_below(out, file.stem)):
            try:
                draw_video(self.folder, file.stem, out, "all", threads=self.cores)
            except PictureError as error:
                log.warning("%s: not drawn: %s", file.path, error)

    def _analyse(self, file: VideoFile, video: Video) -> str:
        place = place_of(self.folder, file.stem)
        item = VideoItem(os.path.abspath(file.path), stamp_of(file.path))
        gone_through = Pass(self.options, self.run, video)
        layout = Layout(named(place, TABLE).name, names_of(gone_through.columns), ",")
        with VideoLogs(place, item, self.run, layout, self._is_anew(place, item), self.lock) as logs:
            if logs.is_finished:
                self._complete(place, gone_through, logs)
                return f"{file.path}: done before"
            return self._go_on(place, file, gone_through, logs)

    def _is_anew(self, place: Path, item: VideoItem) -> bool:
        if self.options.run.override and not self.options.run.resume:
            return True
        is_other = is_of_other(place, item)
        if is_other:
            log.warning("%s: another file than it was: analysed anew", item.path)
        return is_other

    def _overlay(self, file: VideoFile, gone_through: Pass) -> AbstractContextManager[VideoOverlay | None]:
        """Draws while the video is analysed, where that is asked for and it is from its beginning on."""
        if not self.options.run.overlay:
            return nullcontext()
        place = place_below(self.folder / OVERLAY, file.stem)
        remove(place)
        if gone_through.tally.frames:
            return nullcontext()
        return VideoOverlay(place, file.path, gone_through.video, self.session.drawing(), self.cores)

    def _go_on(self, place: Path, file: VideoFile, gone_through: Pass, logs: VideoLogs) -> str:
        """From where the logs end."""
        path, start_s, pipeline = file.path, time.time(), self.session.pipeline
        made = partial(made_with, pipeline, pipeline.batches())
        facts = Facts(path, gone_through.video, self.flags, made(), gone_through.tally, gone_through.decoded)
        facts.write(named(place, FACTS))  # first: it says whose the other files are
        self.errors.tell(path)  # what is behind where the logs end is told once more
        self._go_over(place, gone_through, logs)
        logs.note_session(Made(made(), start_s, time.time()))
        with or_run_broken(), self._overlay(file, gone_through) as overlay:
            watched_s = gone_through.go_on(logs, pipeline, self.interruption, self.progress, overlay)
            logs.finish()
            if overlay is not None and not self.interruption.came:
                overlay.finish()
        facts, elapsed_s = replace(facts, made=made()), time.time() - start_s
        if self.interruption.came:
            facts.write(named(place, FACTS))
        else:
            if self._wants(PARQUET):
                self._write_parquet(place, logs)
            self.errors.tell(path, facts.errors())  # before it is finished: nobody looks at it again then
            facts.write(named(place, FACTS), elapsed_s, watched_s)
        logs.note_session(Made({**facts.made, FINISHED: not self.interruption.came}, start_s, time.time()))
        return facts.summary(elapsed_s, watched_s)

    def _go_over(self, place: Path, gone_through: Pass, logs: VideoLogs) -> None:
        """The frames that are in the logs; a table that is there is kept up, whether or not it is asked for."""
        texts = map(gone_through.text, logs.frames())
        if self._wants(TABLE) or is_there(named(place, TABLE)):
            logs.restore(texts)
        else:
            for _ in texts:
                pass

    def _complete(self, place: Path, gone_through: Pass, logs: VideoLogs) -> None:
        """What was not asked for before, of a video that is done."""
        if self._wants(TABLE) and not is_there(named(place, TABLE)):
            self._go_over(place, gone_through, logs)
        if self._wants(PARQUET) and not is_there(named(place, PARQUET)):
            self._write_parquet(place, logs)

    def _wants(self, suffix: str) -> bool:
        return self.options.format in ("both", suffix.removeprefix("."))

    def _write_parquet(self, place: Path, logs: VideoLogs) -> None:
        """Whole, from the records: nothing can be added to one that is closed, and one that is not is none."""
        points = self.run.rows.points
        rows = stored_rows(logs.store, points)
        write_parquet(named(place, PARQUET), video_columns(points), rows, {"identity": self.run.identity})
