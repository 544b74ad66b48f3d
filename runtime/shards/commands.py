"""`of3 manifest` and `of3 merge`."""

import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from of3.runtime.cli import guarded, print_help
from of3.runtime.options import CommandLine, parse

GOES_ON = "nothing is lost, the same command goes on"
MANIFEST = """\
Plan a run by many processes: list the pictures below --aligned in shards, in <logs>/openface3/plan.  Then do
the shares with `of3 run ... --shard i/n`, on as many machines as there are, and `of3 merge`.  With --of3_root
and the flags of the run, the shares are held to them; without, the first share settles what makes the rows.
"""
MERGE = """\
Check that every shard of the plan in --logs is done, and write the logs that a single run would have written.
Repeated, it changes nothing; --override writes the tables anew.  Of the flags below only these two matter.
"""


def manifest_main(argv: Sequence[str]) -> int:
    return _main(argv, "of3 manifest", MANIFEST, ("aligned", "logs"), _manifest)


def merge_main(argv: Sequence[str]) -> int:
    return _main(argv, "of3 merge", MERGE, ("logs",), _merge)


def _main(
    argv: Sequence[str], prog: str, text: str, required: Sequence[str], step: Callable[[CommandLine], int]
) -> int:
    command = parse(argv, prog, required)
    if command.print_help:
        flags = " ".join(f"--{name} DIR" for name in required)
        print_help(prog, text, f"%(prog)s {flags} [flags of the run]")
        return 0
    if command.missing:
        print(f"of3: missing {', '.join(command.missing)}: see {prog} -h", file=sys.stderr)
        return 2
    return guarded(lambda: step(command), GOES_ON)


def _manifest(command: CommandLine) -> int:
    from of3.runtime.job import log_folder
    from of3.runtime.lock import locked
    from of3.runtime.session import mode_of
    from of3.runtime.shards import run
    from of3.runtime.shards.plan import clear, replace_plan

    options = command.options()
    logs = log_folder(options)
    is_known = command.namespace.of3_root or command.namespace.bundle
    asked = run.asked_of(options) if is_known else {"of3": importlib.metadata.version("of3")}
    with locked(logs):
        before = run.unfinished(logs)
        made = run.planned(options, logs, 1, mode_of(options), asked)
        if before is not None and not options.override:
            clear(logs)
            run.check_same_plan(before, made)
        elif made.pictures == 0:
            clear(logs)
        else:
            replace_plan(logs, made.folder)
    print(f"{made.pictures} pictures in {made.shards} shards, {made.skipped} have their rows; {made.manifest}")
    return 0


def _merge(command: CommandLine) -> int:
    from of3.runtime.job import FOLDER
    from of3.runtime.lock import locked
    from of3.runtime.shards.merge import merge
    from of3.runtime.shards.plan import find_plan
    from of3.runtime.types import RunError

    logs = Path(command.namespace.logs) / FOLDER
    plan = find_plan(logs) if logs.is_dir() else None
    if plan is None:
        raise RunError(
            f"{logs}: no plan: make one with `of3 manifest`, or run a share with `of3 run --shard i/n`"
        )
    with locked(logs):
        merge(plan, command.namespace.override)
    return 0
