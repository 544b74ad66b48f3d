"""`of3 COMMAND ...`: the commands are the entry points of the group `of3.commands`."""

import importlib.metadata
import os
import sys
from collections.abc import Sequence

from of3.runtime.commands.overview import overview, unknown, versions
from of3.runtime.runs.console import open_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    open_streams()
    try:
        status = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:  # `of3 run -h | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    return status


def _main(arguments: Sequence[str]) -> int:
    commands = {point.name: point for point in importlib.metadata.entry_points(group="of3.commands")}
    word = arguments[0] if arguments else "help"
    if word in commands:
        status: int = commands[word].load()(arguments[1:])
        return status
    if word in ("--version", "version"):
        print("\n".join(versions()))
        return 0
    if word == "help" and len(arguments) > 1:  # of3 help run
        return _main([*arguments[1:2], "--help"])
    if word in ("-h", "--h", "--help", "help"):
        print(overview(importlib.metadata.version("of3"), commands))
        return 0
    print(f"of3: {unknown(word, commands)}", file=sys.stderr)
    return 2
