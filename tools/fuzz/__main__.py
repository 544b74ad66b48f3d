"""Tampered files, bundles and log folders through everything that reads them, seeded.

Each is refused by name or gives what it should: 0 crashes, 0 hangs, nothing written outside, or exit 1.  Kinds,
each with how many: log folders with a bit flipped (flips), a field changed and its digest made right (fields),
or something else in the place of a file (planted); pictures; manifests, sidecars and graphs; checkpoints;
bundles of other values through a whole run.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.fuzz.bundles import bundles
from tools.fuzz.files import checkpoint_readers, manifest_readers, pictures, read_in_turn
from tools.fuzz.plans import fields, flips
from tools.fuzz.planted import planted
from tools.fuzz.scratch import made_ready

COUNTS = {
    "flips": 3_400,
    "fields": 2_000,
    "planted": 10_000,
    "pictures": 20_000,
    "manifests": 20_000,
    "checkpoints": 2_000,
    "bundles": 5_000,
}


def main(argv: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace folder with a bundle")
    for kind, count in COUNTS.items():
        made.add_argument(f"--{kind}", type=int, help=f"({count}, or 0 where another kind is named)")
    made.add_argument("--seed", type=int, default=0)
    given = made.parse_args(argv)
    named = {kind: getattr(given, kind) for kind in COUNTS if getattr(given, kind) is not None}
    problems = list(found(given.of3_root.absolute(), named or COUNTS, random.Random(given.seed)))
    for problem in problems:
        print(f"FOUND: {problem}")
    print(f"{len(problems)} problems, seed {given.seed}")
    return 1 if problems else 0


def found(root: Path, counts: dict[str, int], chance: random.Random) -> Iterator[str]:
    """What went wrong.  Log folders first: their trials are forks, of a process without threads."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = made_ready(Path(folder), root)
        for kind, tampering in (("flips", flips), ("fields", fields), ("planted", planted)):
            if kind in counts:
                yield from tampering(scratch, counts[kind], chance)
    yield from pictures(root, counts.get("pictures", 0), chance)
    yield from read_in_turn(manifest_readers, root, counts.get("manifests", 0), chance)
    yield from read_in_turn(checkpoint_readers, root, counts.get("checkpoints", 0), chance)
    yield from bundles(root, counts.get("bundles", 0), chance)


if __name__ == "__main__":
    sys.exit(main())
