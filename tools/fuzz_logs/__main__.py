"""Log folders that were tampered with, through every command: right, or one error that names what is wrong.

planted: something else in the place of each file and folder.  flips: a bit of what a merge reads.  fields: a
value of it, with its digest made right again.  A trial is a process of its own, which may take seconds; nothing
is written outside.  Exit 1 where anything else came of one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.fuzz_logs.plans import fields, flips
from tools.fuzz_logs.planted import planted
from tools.fuzz_logs.scratch import made_ready


def main(argv: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m tools.fuzz_logs", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace folder with a bundle")
    made.add_argument("--planted", type=int, default=0, help="trials (0: all there are)")
    made.add_argument("--flips", type=int, default=3400)
    made.add_argument("--fields", type=int, default=2000)
    made.add_argument("--seed", type=int, default=0)
    given = made.parse_args(argv)
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        scratch = made_ready(Path(folder), given.of3_root.absolute())
        problems = [
            *flips(scratch, given.flips, chance),
            *fields(scratch, given.fields, chance),
            *planted(scratch, given.planted, chance),
        ]
    for problem in problems:
        print(f"FOUND: {problem}")
    print(f"{len(problems)} problems, seed {given.seed}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
