"""`of3 merge`: the shares of a plan -> the logs."""

from collections.abc import Sequence
from pathlib import Path

from of3.runtime.commands.flags import CommandLine, parse_step
from of3.runtime.commands.manifest import GOES_ON
from of3.runtime.commands.status import status_of
from of3.runtime.types import RunError

TEXT = """\
Check that every shard of the plan in --logs is done, and write the logs that a
single run would have written.  Repeated, it changes nothing; --override writes
the tables anew.  Of the flags below only these two matter.
"""


def main(argv: Sequence[str]) -> int:
    command = parse_step(argv, "of3 merge", TEXT, ("logs",))
    return command if isinstance(command, int) else status_of(lambda: _merge(command), GOES_ON)


def _merge(command: CommandLine) -> None:
    from of3.runtime.logs.folder import FOLDER
    from of3.runtime.logs.opening import is_folder
    from of3.runtime.runs.lock import locked
    from of3.runtime.runs.shards.merge import merge
    from of3.runtime.runs.shards.plan import clear, find_plan

    logs = Path(command.namespace.logs) / FOLDER
    missing = RunError(
        f"{logs}: no plan: make one with `of3 manifest`, or run a share with `of3 run --shard i/n`"
    )
    if not is_folder(logs):
        raise missing
    with locked(logs) as lock:
        clear(logs)
        plan = find_plan(logs)
        if plan is None:
            raise missing
        merge(plan, command.namespace.override, lock)
