"""`of3 COMMAND ...`: the commands are the entry points of the group `of3.commands`."""

import importlib.metadata
import sys
from collections.abc import Sequence

from of3.runtime.runs.console import open_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    open_streams()
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
