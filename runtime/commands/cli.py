"""`of3 COMMAND ...`: the commands are the entry points of the group `of3.commands`."""

import importlib.metadata
import os
import sys
from collections.abc import Sequence

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
    version = importlib.metadata.version("of3")
    if word in ("--version", "version"):
        print(f"of3 {version}")
        return 0
    known = "\n".join(f"  of3 {name} --help" for name in sorted(commands))
    print(f"of3 {version}: OpenFace 3.0 without PyTorch\n\nusage:\n{known}")
    if word in ("-h", "--h", "--help", "help"):
        return 0
    print(f"of3: got command {word!r}, want one of {', '.join(sorted(commands))}", file=sys.stderr)
    return 2
