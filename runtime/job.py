"""One run of the command line: find, open, calibrate, analyse, log, sum up."""

import logging
import time
from dataclasses import replace
from pathlib import Path

from of3.runtime.calibrate import to_document
from of3.runtime.interruption import Interruption
from of3.runtime.lock import locked
from of3.runtime.logs import RunLogs, Writer, write_au_info
from of3.runtime.options import Options
from of3.runtime.progress import progress
from of3.runtime.runinfo import RunInfo, flags_of, now, summary
from of3.runtime.session import Session, mode_of, report, row_options
from of3.runtime.survey import Survey
from of3.runtime.tally import Tally
from of3.runtime.types import RunError

log = logging.getLogger(__name__)

FOLDER = "openface3"


def run(options: Options) -> int:
    """The whole job; 0 when every picture has its row.

    Raises RunError (exit 2); RunBroken (no engine is left) and OSError (the logs cannot be written; exit 1).
    """
    folder = log_folder(options)
    if options.executor or options.shard:
        from of3.runtime.shards.run import run_shards

        return run_shards(options, folder)
    with (
        Survey(options.aligned) as survey,
        locked(folder),
        Interruption() as interruption,
        Session(options) as session,
    ):
        if (folder / "plan").exists():
            from of3.runtime.shards.run import end_plan

            end_plan(folder, options.override)
        for level, line in report(session):
            log.log(level, "%s", line)
        _analyse(session, survey, folder, interruption)
    return 0


def _analyse(session: Session, survey: Survey, folder: Path, interruption: Interruption) -> None:
    options, rows, tally = session.options, row_options(session.options), Tally()
    calibration = session.calibration(folder / "au_info.json")
    au_to_index = calibration.au_to_index
    info = RunInfo(flags_of(options), session.made_with(), survey.images, now())
    start = time.monotonic()
    with RunLogs(folder, rows, mode_of(options), session.identity(au_to_index)) as logs:
        survey.remember(logs.done(), options.retry_failed)
        write_au_info(folder, to_document(calibration, session.pipeline.bundle.labels.aus))
        info.write(folder, tally, skipped=0)
        writer = Writer(folder, options.aligned, rows)
        results = session.analyse(interruption.until(survey.items()), au_to_index)
        state = lambda: (tally.total + survey.skipped, tally.failed.total())  # noqa: E731
        for result, item in progress(results, survey.images, state):
            logs.add(writer.write(result, item))
            tally.count(result)
        logs.finish()
    info, elapsed_s = replace(info, made=session.made_with()), time.monotonic() - start
    info.write(folder, tally, survey.skipped)
    log.info("%s", summary(tally, survey.skipped, elapsed_s, [info.made]))
    interruption.check()
    info.write(folder, tally, survey.skipped, elapsed_s)


def log_folder(options: Options) -> Path:
    """Where the logs go.  Raises RunError."""
    folder = options.logs / FOLDER
    if not Path(options.aligned).is_dir():
        raise RunError(f"--aligned {options.aligned}: no such folder")
    if folder.is_symlink():
        raise RunError(f"{folder} is a link: nothing is written outside --logs, pass the folder it leads to")
    return folder
