"""Benchmarks that anyone can run: ratios of medians from interleaved runs, never absolute times of one.

Stand-in weights; the real detector and faces where an OpenFace folder is named with --faces.
"""

import argparse
import shutil
import sys
from pathlib import Path

from tools.bench.command import module
from tools.bench.figures import figures
from tools.bench.growth import curves
from tools.bench.page import machine
from tools.bench.pictures import make_pictures
from tools.bench.race import race
from tools.bench.records import Measured
from tools.bench.report import RAW, UPSTREAM, report

ROUNDS, QUICK_ROUNDS = 7, 4
# Pictures a round: (full, quick).
CASES = {"aligned_224": (64, 16), "aligned_512": (48, 8), "detect_720p": (16, 4), "landmarks_720p": (6, 2)}
OURS = ("project", *RAW)
ALIGNED = ("decode", "resample", "write", "latency", "raw latency", "PyTorch 1 thread", "PyTorch 2 threads")


def main() -> int:
    given = parse()
    work = given.work.resolve()
    root = make_root(work, given.faces)
    measured = [measure(case, root, work, given) for case in CASES]
    found = list(figures(root, work, given.oracle, given.quick))
    grown = [] if given.quick else list(curves(root, work))
    text = report(measured, found, grown, machine(), given.out, given.quick)
    given.out.write_text(text)
    print(text)
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    made.add_argument("--quick", action="store_true", help="few pictures; rough")
    made.add_argument("--oracle", metavar="PYTHON", help="Python of an environment with openface-test")
    made.add_argument("--faces", type=Path, metavar="DIR", help="OpenFace folder: its detector and images/")
    made.add_argument("--work", type=Path, default=Path(".cache/bench"), help="scratch folder (.cache/bench)")
    made.add_argument("--out", type=Path, default=Path(".cache/bench/benchmarks.md"), help="table to write")
    return made.parse_args()


def make_root(work: Path, faces: Path | None) -> Path:
    """Stand-in weights with a bundle, made once; with the detector and faces of `faces`, where given."""
    root = work / "of3_root"
    if (root / "weights" / "of3_bundle" / "bundle.json").exists():
        return root
    from of3.export.cli import main as export
    from of3.export.standin import write_root

    write_root(root)
    if faces is not None:
        shutil.copy(faces / "weights" / "Alignment_RetinaFace.pth", root / "weights")
        for picture in sorted((faces / "images").glob("*.jpg")):
            shutil.copy(picture, root / "images")
    if export(["--of3_root", str(root), "--force"]) != 0:
        raise SystemExit("bench: the stand-in weights could not be exported")
    return root


def measure(case: str, root: Path, work: Path, given: argparse.Namespace) -> Measured:
    """All contestants of a case."""
    count = CASES[case][given.quick]
    make_pictures(case, root, work / case, count)
    print(f"bench: {case}, {count} pictures", file=sys.stderr)
    names = OURS + ALIGNED if case.startswith("aligned") else OURS
    commands = {name: module("contestants", name, case, root, work) for name in names}
    if given.oracle:
        commands[UPSTREAM] = module("upstream", case, root, work / case, python=given.oracle)
    return Measured(case, count, race(commands, QUICK_ROUNDS if given.quick else ROUNDS))
