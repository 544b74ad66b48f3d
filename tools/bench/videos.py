"""Videos: against upstream's classes in a loop, what faces and decoding cost, memory.  docs/benchmarks.md.

Drawn clips of 720p H.264; medians over interleaved rounds, one contestant at a time in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from of3.runtime.networks import DETECTOR, MULTITASK
from tools.bench.clips import make_clip
from tools.bench.command import module, of3
from tools.bench.growth import network_ms
from tools.bench.page import machine, table, targets
from tools.bench.race import race
from tools.bench.records import Figure, Measured
from tools.bench.run import make_root
from tools.bench.video_steps import CLIP, DECODED, DECODING, PROJECT, flags_of

FRAMES = 60  # of a clip
SHORT, LONG = 300, 9000  # frames, for memory
WANTED = {"detect": 4.0, "landmarks": 2.0}  # times upstream's rate
UPSTREAM = "upstream classes"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how is measured.  oracle: a Python with upstream's classes, "" for none."""

    root: Path
    work: Path
    oracle: str
    rounds: int

    def clip(self, people: int, count: int = FRAMES, height: int = 720) -> Path:
        """The folder of a clip, made once."""
        folder = self.work / f"video_{height}p_{people}_{count}"
        if not (folder / CLIP).exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_clip(folder / "making.mp4", self.root, count, people, height)
            (folder / "making.mp4").rename(folder / CLIP)
        return folder

    def race(self, case: str, clip: Path, *names: str) -> Measured:
        commands = {name: module("video_steps", name, case, self.root, clip) for name in names}
        if UPSTREAM in commands:
            commands[UPSTREAM] = module("upstream", case, self.root, clip, python=self.oracle)
        return Measured(case, FRAMES, race(commands, self.rounds))


def against_upstream(bench: Bench) -> Iterator[Figure]:
    names = [PROJECT, UPSTREAM] if bench.oracle else [PROJECT]
    for case, wanted in WANTED.items():
        found = bench.race(case, bench.clip(1), *names)
        for name in names:
            yield Figure(f"720p, one face, {case}: {name}", found.rate(name), "frames/s")
        if bench.oracle:
            ratio = found.ratio(PROJECT, UPSTREAM)
            yield Figure(f"720p, one face, {case}: {PROJECT} / {UPSTREAM}", ratio, "x", wanted, True)


def of_faces(bench: Bench) -> Iterator[Figure]:
    """What a frame with eight faces takes, of what three detections and a batch of eight would."""
    frame_ms = 1e3 / bench.race("detect", bench.clip(8), PROJECT).rate(PROJECT)
    bundle = read_bundle(bench.root / "weights" / "of3_bundle")
    alone_ms = {
        name: network_ms(bundle, name, {0: shape}, cores())[0]
        for name, shape in {DETECTOR: (1, 3, 720, 1280), MULTITASK: (8, 3, 224, 224)}.items()
    }
    yield Figure("720p, eight faces: a frame", frame_ms, "ms")
    for name, taken_ms in alone_ms.items():
        yield Figure(f"{name} of such a frame, alone", taken_ms, "ms")
    share = frame_ms / (3 * alone_ms[DETECTOR] + alone_ms[MULTITASK])
    yield Figure("720p, eight faces: a frame / three detections and eight faces", share, "x", 1.0)


def of_decoding(bench: Bench) -> Iterator[Figure]:
    found = bench.race("detect", bench.clip(1), DECODED, DECODING)
    share = 1 - 1 / found.ratio(DECODED, DECODING)
    yield Figure("720p, one face, detect: share of the time that decoding adds", share, "x", 0.05)


def memory(bench: Bench) -> Iterator[Figure]:
    """Peaks of a process over a short and a long clip."""
    short_mb, long_mb = (peak_mb(bench.root, bench.clip(1, count, 270)) for count in (SHORT, LONG))
    yield Figure(f"peak memory, {SHORT} frames of 270p", short_mb, "MB")
    yield Figure(f"growth of it from {SHORT} to {LONG} frames", long_mb - short_mb, "MB", 20)


def peak_mb(root: Path, clip: Path) -> float:
    with tempfile.TemporaryDirectory() as logs:
        command = of3("video", clip / CLIP, *flags_of("detect", logs, root))
        return int(subprocess.check_output(command, stderr=subprocess.DEVNULL).split()[-1]) / 1024


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tools.bench.videos", description=__doc__)
    made.add_argument("--rounds", type=int, default=7)
    made.add_argument("--no_memory", action="store_true", help=f"without the {LONG} frames, some minutes")
    made.add_argument(
        "--oracle", metavar="PYTHON", default="", help="Python of an environment with openface-test"
    )
    made.add_argument("--faces", type=Path, metavar="DIR", help="OpenFace folder: its detector and images/")
    made.add_argument("--work", type=Path, default=Path(".cache/bench"), help="scratch folder (.cache/bench)")
    given = made.parse_args()
    work = given.work.resolve()
    bench = Bench(make_root(work, given.faces), work, given.oracle, given.rounds)
    found = [*against_upstream(bench), *of_faces(bench), *of_decoding(bench)]
    found += [] if given.no_memory else memory(bench)
    print(f"{machine()}; drawn H.264; medians of {given.rounds} interleaved rounds.\n")
    print(targets(each for each in found if each.limit is not None), "\n")
    others = ((each.name, f"{each.value:.3g} {each.unit}") for each in found if each.limit is None)
    print(table(("figure", ""), others))
    return 0


if __name__ == "__main__":
    sys.exit(main())
