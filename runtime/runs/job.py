"""A run of this process: the pictures that have no row yet, analysed, straight into the logs."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from of3.runtime.logs.counts import Counts
from of3.runtime.logs.entries import Entries
from of3.runtime.logs.folder import FOLDER, RunLogs
from of3.runtime.logs.known import Known
from of3.runtime.logs.made import Session as Made
from of3.runtime.logs.opening import is_folder
from of3.runtime.logs.writer import Writer, obsolete_files, write_au_info
from of3.runtime.opened import tell
from of3.runtime.options import Options
from of3.runtime.runs.flags import mode_of, to_json
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.listing import FileListing, listing_of
from of3.runtime.runs.lock import locked
from of3.runtime.runs.messages import after
from of3.runtime.runs.picture_overlay import Entered, drawn_before
from of3.runtime.runs.progress import follow, progress_bar
from of3.runtime.runs.runinfo import RunInfo, now
from of3.runtime.runs.session import Session
from of3.runtime.runs.shards.plan import end_plan
from of3.runtime.types import RunBroken, RunError

GOES_ON = "--resume on goes on from there"


def in_this_process(options: Options, folder: Path) -> None:
    """The whole job: every picture has its row afterwards.

    folder: `<logs>/openface3`.  Raises RunError (exit 2); RunBroken (no engine is left), OSError (the logs
    cannot be written), Interrupted.
    """
    with (
        listing_of(options) as listing,
        locked(folder) as lock,
        Interruption() as interruption,
        Session(options) as session,
    ):
        end_plan(folder, options.override)
        tell(session.messages())
        _analyse(session, listing, folder, lock, interruption)


def _analyse(
    session: Session, listing: FileListing, folder: Path, lock: Known | None, interruption: Interruption
) -> None:
    run = session.run_of(session.calibration(folder / "au_info.json"))
    info = RunInfo(to_json(session.options), session.made_with(), listing.images, now())
    start_s = time.monotonic()
    mode = mode_of(session.options)
    with (
        RunLogs(folder, run, mode, lock) as logs,
        telling_what_is_written(logs),
        Writer(folder, run.root, run.rows, obsolete=obsolete_files(mode)) as writer,
        _entered(session, folder, run.root, logs) as entered,
    ):
        write_au_info(folder, run.au_info)
        info.write(folder)
        logs.note_session(Made(info.made, info.started.timestamp(), time.time()))
        items = interruption.until(listing.items(logs.done))
        with progress_bar(listing.images) as shown:
            counts = follow(
                _logged(session.write_all(items, run.names.aus, writer, entered), logs),
                lambda counts: shown(counts, listing.skipped),
            )
        info = replace(info, made=session.made_with())
        logs.note_session(Made(info.made, info.started.timestamp(), time.time()))
        logs.finish()
    elapsed_s = time.monotonic() - start_s
    info.write(folder, counts, listing.skipped)
    options = session.options
    tell(after(counts, listing.skipped, elapsed_s, folder, options.skip_detect, options.faces))
    interruption.check(GOES_ON)
    info.write(folder, counts, listing.skipped, elapsed_s)


def _entered(session: Session, folder: Path, root: str, logs: RunLogs) -> AbstractContextManager[Entered]:
    """What makes the entries of results, and drawings where they are asked for."""
    if session.options.overlay:
        return drawn_before(logs.entries, folder, root, session.drawing())
    return nullcontext(logs.entries)


def _logged(entries: Iterable[Entries], logs: RunLogs) -> Iterator[Counts]:
    for some in entries:
        logs.add(some)
        yield some.counts


@contextmanager
def telling_what_is_written(logs: RunLogs) -> Iterator[None]:
    """Whatever ends the run says how to go on, where there is something to go on with."""
    try:
        yield
    except (OSError, RunBroken) as error:
        said = f"cannot go on: {error}" if isinstance(error, OSError) else f"{error}"
        rows = f"; the rows so far are written, {GOES_ON}" if logs.added else ""
        raise RunBroken(said + rows) from error


def log_folder(options: Options) -> Path:
    """Where the logs go.  Raises RunError."""
    folder = options.logs / FOLDER
    if Path(options.aligned).is_file():
        raise RunError(f"--aligned {options.aligned}: is a file, want the folder that it is in")
    if not Path(options.aligned).is_dir():
        found = "is no folder" if Path(options.aligned).exists() else "no such folder"
        raise RunError(f"--aligned {options.aligned}: {found}")
    is_folder(folder)
    return folder
