"""How many pictures a second the host can hand to an engine that costs nothing: docs/benchmarks.md.

All are shares of decoding alone, from files, on all cores, in the same rounds.  Rates come from a small and a
large folder, so that starting a process does not count; medians over interleaved rounds.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import simplejpeg

from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from tools.bench.command import of3_run
from tools.bench.free import make_free_bundle
from tools.bench.page import machine, table, targets
from tools.bench.pictures import linked, make_pictures
from tools.bench.records import Figure
from tools.bench.run import make_root
from tools.bench.scale import quietly
from tools.bench.timing import interleaved_s

FEW = 100  # pictures of the small folder
DRAWN = 200  # different ones
Step = Callable[[Path], None]
# Of `of3 run`, besides those of every measurement; the words for one core begin with "one core".
WAYS = {
    "per_image on": ("--per_image", "on"),
    "per_image off": ("--per_image", "off"),
    "one core, per_image on": ("--per_image", "on"),
    "one core, per_image off": ("--per_image", "off"),
    "2 processes, per_image on": ("--per_image", "on", "--executor", "local", "--workers", "2"),
    "2 processes, per_image off": ("--per_image", "off", "--executor", "local", "--workers", "2"),
}
# Least share of decoding alone.
WANTED = {
    ("aligned_224", "per_image on"): 0.35,
    ("aligned_224", "per_image off"): 0.50,
    ("aligned_512", "per_image on"): 0.65,
    ("aligned_512", "per_image off"): 0.75,
}
WANTED_GAIN, WANTED_MAIN_MS = 1.7, 0.8


def decoding(folder: Path) -> None:
    """simplejpeg alone, as the runtime asks for its pixels, on every core."""

    def decode(paths: Sequence[Path]) -> None:
        for path in paths:
            simplejpeg.decode_jpeg(path.read_bytes(), "BGR", fastdct=False, fastupsample=False)

    paths = sorted(folder.iterdir())
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(decode, [paths[first : first + 16] for first in range(0, len(paths), 16)]))


def running(name: str, root: Path, bundle: Path, scratch: str, folder: Path) -> None:
    """`of3 run` in one of the ways.

    Its logs stay until all is measured: where thousands of files had just been deleted, ext4 took 0.4 ms for
    each new one in the place of 0.03.
    """
    pinned = ["taskset", "-c", "0"] if name.startswith("one core") else []
    logs = tempfile.mkdtemp(dir=scratch)
    quietly([*pinned, *of3_run(folder, logs, root, ["--bundle", str(bundle), *WAYS[name]])])


def rates(
    case: str, root: Path, work: Path, bundle: Path, scratch: str, count: int, rounds: int
) -> dict[str, float]:
    """Pictures a second of decoding alone and of every way."""
    make_pictures(case, root, work / case, DRAWN)
    folders = [linked(work / case, some) for some in (FEW, count)]
    steps: dict[str, Step] = {"decoding": decoding}
    steps |= {name: partial(running, name, root, bundle, scratch) for name in WAYS}
    print(f"ceiling: {case}, {count} pictures, {rounds} rounds", file=sys.stderr)
    taken = interleaved_s(
        {(name, folder): partial(step, folder) for name, step in steps.items() for folder in folders}, rounds
    )
    medians = {key: statistics.median(times_s) for key, times_s in taken.items()}
    few, many = folders
    return {name: (count - FEW) / (medians[name, many] - medians[name, few]) for name in steps}


def main_thread_ms(root: Path, work: Path, count: int) -> float:
    """What finding a face at 1280x720 takes of the thread that drives the networks, a picture."""
    folder = work / "detect_720p"
    make_pictures("detect_720p", root, folder, count)
    paths = sorted(str(path) for path in folder.iterdir())
    with Pipeline(read_bundle(root / "weights" / "of3_bundle"), Settings(detect=True)) as pipeline:
        list(pipeline.run(paths))
        start_s = time.thread_time()
        list(pipeline.run(paths))
        return 1e3 * (time.thread_time() - start_s) / count


def figures(found: dict[str, dict[str, float]], main_ms: float) -> Iterator[Figure]:
    for (case, way), least in WANTED.items():
        yield Figure(f"{case}, {way}: share of decoding", share(found[case], way), "x", least, True)
    for case in found:
        for way in ("per_image on", "per_image off"):
            gain = found[case][way] / found[case][f"one core, {way}"]
            yield Figure(f"{case}, {way}: two cores / one", gain, "x", WANTED_GAIN, True)
    yield Figure("detection at 720p, main thread, a picture", main_ms, "ms", WANTED_MAIN_MS)


def share(found: dict[str, float], way: str) -> float:
    return found[way] / found["decoding"]


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tools.bench.ceiling", description=__doc__)
    made.add_argument("--pictures", type=int, default=3000, help="of the large folder (3000)")
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--faces", type=Path, metavar="DIR", help="OpenFace folder: its detector and images/")
    made.add_argument("--work", type=Path, default=Path(".cache/bench"), help="scratch folder (.cache/bench)")
    given = made.parse_args()
    work = given.work.resolve()
    root, bundle = make_root(work, given.faces), work / "free_bundle"
    make_free_bundle(root / "weights" / "of3_bundle", bundle)
    with tempfile.TemporaryDirectory() as scratch:
        found = {
            case: rates(case, root, work, bundle, scratch, given.pictures, given.rounds)
            for case in ("aligned_224", "aligned_512")
        }
    main_ms = main_thread_ms(root, work, 48)
    print(f"{machine()}; a multitask graph that costs nothing; medians of {given.rounds} interleaved rounds.\n")
    print(targets(figures(found, main_ms)), "\n")
    rows = (
        (name, *(f"{each[name]:.0f} ({share(each, name):.2f})" for each in found.values()))
        for name in ("decoding", *WAYS)
    )
    print(table(("images/s (share of decoding)", *found), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
