"""`of3`, `of3 run` and the drop-in script.  Nothing heavy is imported before the flags are read."""

import importlib.metadata
import logging
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from of3.runtime import MAX_PIXELS_VARIABLE
from of3.runtime.files import replace_text
from of3.runtime.interruption import Interrupted
from of3.runtime.options import CommandLine, parse, parser
from of3.runtime.types import RunBroken, RunError

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """`of3 COMMAND ...`: the commands are the entry points of the group `of3.commands`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {point.name: point for point in importlib.metadata.entry_points(group="of3.commands")}
    if arguments and arguments[0] in commands:
        status: int = commands[arguments[0]].load()(arguments[1:])
        return status
    is_help = not arguments or arguments[0] in ("-h", "--h", "--help")
    known = "\n".join(f"  of3 {name} --help" for name in sorted(commands))
    print(f"of3 {importlib.metadata.version('of3')}: OpenFace 3.0 without PyTorch\n\nusage:\n{known}")
    if not is_help:
        print(f"of3: got command {arguments[0]!r}, want one of {', '.join(sorted(commands))}", file=sys.stderr)
    return 0 if is_help else 2


def run_command(argv: Sequence[str]) -> int:
    """`of3 run`: the help text is written beside the logs."""
    command = parse(argv, "of3 run")
    logs = command.namespace.logs
    return _start(command, "of3 run", Path(logs) / "openface3" / "openface3.txt" if logs else None)


def script_main(script: Path, argv: Sequence[str]) -> int:
    """The drop-in: as `of3 run`, with the help text written beside the script."""
    return _start(parse(argv, script.name), script.name, script.with_suffix(".txt"))


def _start(command: CommandLine, prog: str, help_file: Path | None) -> int:
    """Command line -> exit status."""
    _log_to_stderr()
    text = parser(prog).format_help()
    if command.write_help and help_file is not None:
        _write_help(help_file, text)
    if command.print_help or command.missing:
        print(text)
    if command.missing:
        log.warning("nothing to do: missing %s", ", ".join(command.missing))
        return 0
    is_shared = command.namespace.executor or command.namespace.shard
    goes_on = "the same command goes on" if is_shared else "the rows so far are written, --resume on goes on"
    return guarded(lambda: _run(command), f"{goes_on} from there")


def _run(command: CommandLine) -> int:
    options = command.options()
    os.environ[MAX_PIXELS_VARIABLE] = str(options.max_pixels)  # before OpenCV is imported
    from of3.runtime.job import run  # numpy, OpenCV and the engines, not needed for the help

    return run(options)


def _log_to_stderr() -> None:
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    logging.getLogger("of3").setLevel(logging.INFO)


def guarded(step: Callable[[], int], goes_on: str) -> int:
    """A command's exit status.  goes_on: what is said of one that ended before its time."""
    _log_to_stderr()
    try:
        return step()
    except RunError as error:
        log.error("%s", error)
        return 1 if isinstance(error, RunBroken) else 2
    except OSError as error:
        log.error("cannot go on: %s; %s", error, goes_on)
        return 1
    except sqlite3.Error as error:
        log.error(
            "cannot list the pictures in %s: %s; TMPDIR names another folder", tempfile.gettempdir(), error
        )
        return 1
    except Interrupted as ended:
        log.error("%s: %s", ended, goes_on)
        return ended.status
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130


def print_help(prog: str, description: str, usage: str) -> None:
    """Of a command that takes the flags of a run."""
    made = parser(prog)
    made.description, made.usage = description, usage
    print(made.format_help())


def _write_help(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        if not path.is_file():  # another share of the run may write it at this moment
            log.warning("help text not written: %s", error)
