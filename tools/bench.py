"""Benchmarks that anyone can run: ratios of medians from interleaved runs, never absolute times of one.

    python tools/bench.py [--quick] [--oracle PYTHON] [--out docs/benchmarks.md]

Stand-in weights; the real detector and faces where an OpenFace folder is named with --faces.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from bench_extras import extras
from bench_growth import curves
from bench_report import RAW, UPSTREAM, report

from of3.engines.host import cores
from of3.export.pictures import draw_face

HERE = Path(__file__).resolve().parent
ROUNDS, QUICK_ROUNDS = 7, 4
# Pictures a round: (full, quick).
CASES = {"aligned_224": (64, 16), "aligned_512": (48, 8), "detect_720p": (16, 4), "landmarks_720p": (6, 2)}
OURS = ("project", *RAW, "decode", "resample", "write")
ALIGNED = (*OURS, "latency", "raw latency", "PyTorch 1 thread", "PyTorch 2 threads")


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of every round, by contestant, for one case."""

    case: str
    pictures: int
    seconds: Mapping[str, Sequence[float]]

    def rate(self, contestant: str) -> float:
        """Pictures a second, median."""
        return self.pictures / statistics.median(self.seconds[contestant])

    def ratio(self, contestant: str, other: str) -> float:
        """How many times as fast as `other`: the median over rounds, each of which ran both."""
        pairs = zip(self.seconds[other], self.seconds[contestant], strict=True)
        return statistics.median(b / a for b, a in pairs)


class Contestant:
    """A process that runs its pictures whenever it is told to."""

    def __init__(self, command: Sequence[str], owner: ExitStack):
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        owner.callback(self._end)

    def wait_until_warm(self) -> None:
        self._answer("ready")

    def _answer(self, wanted: str) -> str:
        """The next line that is `wanted`, or a number; upstream prints other things as well."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word = line.strip()
            if word == wanted or (not wanted and word.replace(".", "").replace("e-", "").isdigit()):
                return word
        raise SystemExit(f"bench: {self._process.args} ended with {self._process.wait()}")

    def run_s(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._answer(""))

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> int:
    given = parse()
    work = given.work.resolve()
    root = make_root(work, given.faces)
    measured = [measure(case, root, work, given) for case in CASES]
    figures = extras(root, work, given.oracle, given.quick)
    grown = [] if given.quick else list(curves(root, work))
    text = report(measured, figures, grown, machine(), given.out, given.quick)
    given.out.write_text(text)
    print(text)
    return 0


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="tools/bench.py", description=__doc__)
    made.add_argument("--quick", action="store_true", help="few pictures, under a minute; rough")
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
    """All contestants of a case, one after the other in every round."""
    count = CASES[case][given.quick]
    make_pictures(case, root, work / case, count)
    print(f"bench: {case}, {count} pictures", file=sys.stderr)
    names = ALIGNED if case.startswith("aligned") else OURS[:3]
    with ExitStack() as owner:
        contestants = {name: Contestant(ours(name, case, root, work), owner) for name in names}
        if given.oracle:
            command = [given.oracle, str(HERE / "bench_upstream.py"), case, str(root), str(work / case)]
            contestants[UPSTREAM] = Contestant(command, owner)
        for contestant in contestants.values():
            contestant.wait_until_warm()  # nothing is measured while another still starts
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(QUICK_ROUNDS if given.quick else ROUNDS):
            for name, contestant in contestants.items():
                seconds[name].append(contestant.run_s())
    return Measured(case, count, seconds)


def ours(name: str, case: str, root: Path, work: Path) -> list[str]:
    return [sys.executable, str(HERE / "bench_contestants.py"), name, case, str(root), str(work)]


def make_pictures(case: str, root: Path, folder: Path, count: int) -> None:
    """JPEG files of a case: drawn faces, or faces of the root in scenes of 1280x720."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pictures = crops(int(case.split("_")[1]), count) if case.startswith("aligned") else scenes(root, count)
    for number, picture in enumerate(pictures):
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        (folder / f"{number:04d}.jpg").write_bytes(encoded.tobytes())


def crops(side_px: int, count: int) -> Iterator[np.ndarray]:
    return (draw_face(seed, side_px) for seed in range(count))


def scenes(root: Path, count: int) -> Iterator[np.ndarray]:
    """Pictures of faces, 320 px high, in a scene of noise and ramps."""
    faces = [cv2.imread(str(path)) for path in sorted((root / "images").glob("*.jpg"))] or [draw_face(0)]
    for number in range(count):
        rng = np.random.default_rng(number)
        ramp = np.linspace(rng.uniform(0, 255, 3), rng.uniform(0, 255, 3), 1280)
        scene = np.clip(ramp[None] + rng.normal(0, 12, (720, 1280, 3)), 0, 255).astype(np.uint8)
        face = faces[number % len(faces)]
        scale = 320 / face.shape[0]
        face = cv2.resize(face, None, fx=scale, fy=scale)[:, :900]
        top, left = int(rng.integers(0, 720 - 320)), int(rng.integers(0, 1280 - face.shape[1]))
        scene[top : top + face.shape[0], left : left + face.shape[1]] = face
        yield scene


def machine() -> str:
    """Machine and versions, for the head of the page."""
    from of3.engines.machine import packages

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    versions = ", ".join(f"{name} {version}" for name, version in packages().items())
    return f"{cpu}, {cores()} cores, {platform.platform()}; {versions}"


if __name__ == "__main__":
    sys.exit(main())
