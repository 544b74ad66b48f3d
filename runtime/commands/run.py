"""`of3 run` and the drop-in script.  Nothing heavy is imported before the flags are read."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from of3.runtime.commands.flags import CommandLine, let_opencv_read, parse, parser
from of3.runtime.commands.status import status_of
from of3.runtime.logs.files import replace_text
from of3.runtime.logs.opening import is_folder
from of3.runtime.options import Options
from of3.runtime.runs.console import log_to_stderr, open_streams
from of3.runtime.types import RunError

log = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """`of3 run`: the help text is written beside the logs."""
    command = parse(argv, "of3 run")
    logs = command.namespace.logs
    if list(argv) == ["--help"]:
        print(parser("of3 run").format_help())
        return 0
    if command.missing and not command.print_help:
        log_to_stderr()
        log.error("missing %s: see of3 run -h", ", ".join(command.missing))
        return 2
    place = Path(logs) / "openface3" / "openface3.txt" if logs else None
    return _start(command, "of3 run", lambda text: _write_beside_logs(place, text))


def script_main(script: Path, argv: Sequence[str]) -> int:
    """The drop-in: as `of3 run`, with the help text written beside the script."""
    open_streams()
    place = script.with_suffix(".txt")
    return _start(parse(argv, script.name), script.name, lambda text: _write_beside_script(place, text))


def _start(command: CommandLine, prog: str, write_help: Callable[[str], None]) -> int:
    """Command line -> exit status."""
    log_to_stderr()
    text = parser(prog).format_help()
    if command.print_help or command.missing:
        print(text)
    if command.write_help and (status := status_of(lambda: write_help(text))):
        return status
    if command.missing:
        log.warning("nothing to do: missing %s", ", ".join(command.missing))
        return 0
    is_shared = command.namespace.executor or command.namespace.shard
    return status_of(lambda: run(command.options()), "the same command goes on from there" if is_shared else "")


def run(options: Options) -> None:
    """The job, by the executor that was asked for."""
    let_opencv_read(options.max_pixels)
    from of3.runtime.runs.job import log_folder  # numpy, OpenCV and the engines, not needed for the help

    folder = log_folder(options)
    executor_of(options)(options, folder)


def executor_of(options: Options) -> Callable[[Options, Path], None]:
    """Who does the pictures: this process, a pool of workers, or this process its share of them."""
    from of3.runtime.runs import job
    from of3.runtime.runs.shards import run as shards

    if options.shard:
        return shards.a_share
    return shards.on_workers if options.executor else job.in_this_process


def _write_beside_logs(path: Path | None, text: str) -> None:
    """path: None where it is not known where the logs go.  Raises RunError: something else stands there."""
    if path is not None:
        is_folder(path.parent)
        _write_help(path, text)


def _write_beside_script(path: Path, text: str) -> None:
    """What stands there instead is no reason to do nothing."""
    try:
        _write_help(path, text)
    except RunError as error:
        log.warning("help text not written: %s", error)


def _write_help(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        if not path.is_file():  # another share of the run may write it at this moment
            log.warning("help text not written: %s", error)
