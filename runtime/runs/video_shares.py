"""Videos done by many: processes of this machine, or of a cluster's; or a share by this one, beside others.

Each is done whole by one process.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from of3.runtime.logs.errors import Errors
from of3.runtime.logs.known import Known
from of3.runtime.logs.video import FOLDER as VIDEOS
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.job import GOES_ON
from of3.runtime.runs.lock import Held, locked, share_of, shares_of
from of3.runtime.runs.progress import counting_bar
from of3.runtime.runs.shards.run import open_pool
from of3.runtime.runs.video_dispatch import VideoDispatch
from of3.runtime.runs.video_job import asked_for, check_not_begun
from of3.runtime.runs.video_session import VideoSession, analyse_all
from of3.runtime.runs.videos import VideoFile
from of3.runtime.video_options import VideoOptions

LOOK_EVERY_S = 0.5
WAIT_FOR_S = 30.0  # for another share to begin, which takes no time


def in_this_process(options: VideoOptions) -> None:
    """Every video has its rows afterwards, or its line in errors.tsv.

    Raises RunError (exit 2); RunBroken (no engine is left), OSError (the logs cannot be written), Interrupted.
    """
    folder, files = asked_for(options)
    with locked(folder) as lock, Interruption() as interruption:
        check_no_share(folder)
        check_not_begun(options, folder, files)
        with VideoSession(options, interruption, lock=lock) as session:
            analyse_all(session, files, interruption)


def on_workers(options: VideoOptions) -> None:
    """The same by a pool of workers.  Raises RunBroken too where workers are lost whatever they do."""
    folder, files = asked_for(options)
    with locked(folder), Interruption() as interruption:
        check_no_share(folder)
        check_not_begun(options, folder, files)
        _on_pool(options, folder, files, interruption)


def a_share(options: VideoOptions) -> None:
    """The i-th of n shares: every n-th video, here or by workers.  Others may be at theirs meanwhile, on other
    machines too."""
    assert options.run.shard is not None
    part, of = options.run.shard
    folder, files = asked_for(options)
    with _share_locked(folder, part, of) as lock, Interruption() as interruption:
        mine = files[part::of]
        check_not_begun(options, folder, mine)
        if options.run.executor:
            _on_pool(options, folder, mine, interruption)
            return
        with VideoSession(options, interruption, lock=lock) as session:
            analyse_all(session, mine, interruption)


def _on_pool(
    options: VideoOptions, folder: Path, files: Sequence[VideoFile], interruption: Interruption
) -> None:
    """folder: `<logs>/openface3`, held."""
    errors = Errors(folder)
    with open_pool(options.run, interruption) as pool, counting_bar(len(files), "videos") as shown:
        pool.cap(len(files))
        for failures in VideoDispatch(options, pool, files, interruption).run():
            for failure in failures:
                errors.tell(failure.source, [failure])
            shown()
    interruption.check(GOES_ON)


@contextmanager
def _share_locked(folder: Path, part: int, of: int) -> Iterator[Known | None]:
    """Hold a share; the whole folder only for a moment, which who does all of it holds as long as it takes."""
    with ExitStack() as held:
        with _patiently_locked(folder):
            lock = held.enter_context(locked(share_of(folder / VIDEOS, part, of)))
        yield lock


@contextmanager
def _patiently_locked(folder: Path) -> Iterator[None]:
    until_s = time.monotonic() + WAIT_FOR_S
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder))
                break
            except Held:
                if time.monotonic() > until_s:
                    raise
                time.sleep(LOOK_EVERY_S)
        yield


def check_no_share(folder: Path) -> None:
    """Raise Held where a share is being done.  folder: held."""
    for share in shares_of(folder / VIDEOS):
        with locked(share):
            pass
