"""An open pipeline with what a run over videos shares: each video's job is done with it."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

from of3.runtime.logs.errors import Errors
from of3.runtime.logs.folder import FOLDER
from of3.runtime.logs.known import Known
from of3.runtime.opened import Message, tell
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.job import GOES_ON
from of3.runtime.runs.progress import Progress, progress_bar
from of3.runtime.runs.session import Session
from of3.runtime.runs.shards.pool import WorkerReady
from of3.runtime.runs.video_job import job_of
from of3.runtime.runs.videos import VideoFile, top_of
from of3.runtime.video_options import VideoOptions


class VideoSession:
    """Use as a context manager, from one thread."""

    def __init__(
        self,
        options: VideoOptions,
        interruption: Interruption,
        told: VideoOptions | None = None,
        cores: int = 0,
        lock: Known | None = None,
        progress: Progress = progress_bar,
    ):
        """told: what the user said, where the options are another machine's.  cores: as a session's.

        lock: by which the log folder, which is there, is held for this session.  progress: as of a Job.
        Raises RunError; RunBroken: no engine is left; OSError: the logs cannot be written.
        """
        self._interruption = interruption
        folder = options.run.logs / FOLDER
        with ExitStack() as opened:
            run = replace(options.run, aligned=top_of(options.inputs))
            self._session = opened.enter_context(Session(run, cores))
            errors = Errors(folder)
            said = told or options
            self._job = job_of(said, folder, self._session, errors, interruption, lock, cores, progress)
            self._opened = opened.pop_all()

    def ready(self) -> WorkerReady:
        """What is to be said of it."""
        return WorkerReady(self._session.messages(), self._session.made_with())

    def run(self, file: VideoFile) -> Message | None:
        """Write a video's rows, or why there are none; what is to be said of it, None where it was stopped.

        Raises RunBroken, OSError.
        """
        said = self._job.analyse(file)
        return None if self._interruption.came else said

    def __enter__(self) -> "VideoSession":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def analyse_all(session: VideoSession, files: Iterable[VideoFile], interruption: Interruption) -> None:
    """One after the other.  Raises as `VideoSession.run`; Interrupted."""
    tell(session.ready().messages)
    for file in files:
        said = session.run(file)
        tell([] if said is None else [said])
        interruption.check(GOES_ON)
