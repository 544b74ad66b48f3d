"""`of3 manifest`: the plan of a run by many, before its shares are done."""

import importlib.metadata
from collections.abc import Sequence

from of3.runtime.commands.flags import CommandLine, parse_step
from of3.runtime.commands.status import status_of

GOES_ON = "nothing is lost, the same command goes on"
TEXT = """\
Plan a run by many processes: list the pictures below --aligned in shards, in
<logs>/openface3/plan.  Then do the shares with `of3 run ... --shard i/n`, on as
many machines as there are, and `of3 merge`.  With --of3_root and the flags of
the run, the shares are held to them; without, the first share settles what
makes the rows.
"""


def main(argv: Sequence[str]) -> int:
    command = parse_step(argv, "of3 manifest", TEXT, ("aligned", "logs"))
    return command if isinstance(command, int) else status_of(lambda: _manifest(command), GOES_ON)


def _manifest(command: CommandLine) -> None:
    from of3.runtime.runs.flags import mode_of
    from of3.runtime.runs.job import log_folder
    from of3.runtime.runs.lock import locked
    from of3.runtime.runs.shards.plan import clear, replace_plan, unfinished
    from of3.runtime.runs.shards.planning import asked_of, check_same_plan, planned

    options = command.options()
    logs = log_folder(options)
    is_known = command.namespace.of3_root or command.namespace.bundle
    asked = asked_of(options) if is_known else {"of3": importlib.metadata.version("of3")}
    with locked(logs):
        clear(logs)
        before = None if options.override else unfinished(logs)
        made = planned(options, logs, 1, mode_of(options), asked)
        if before is not None:
            clear(logs)
            check_same_plan(before, made)
        elif made.pictures == 0:
            clear(logs)
        else:
            replace_plan(logs, made.folder)
    print(f"{made.pictures} pictures in {made.shards} shards, {made.skipped} have their rows; {made.manifest}")
