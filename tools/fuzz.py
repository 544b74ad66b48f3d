"""Mutated files through everything that reads files, seeded: 0 crashes, 0 hangs, or exit 1.

    python tools/fuzz.py --of3_root DIR [--pictures 20000] [--manifests 20000] [--checkpoints 2000] [--seed 0]

Pictures go through the whole of `of3 run`, a thousand a process; bundle manifests, plans' sidecars, model files
and checkpoints through what reads them.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from of3.engines.base import EngineUnavailable
from of3.engines.bundle import MANIFEST, BundleError, ModelFile, read_bundle
from of3.engines.graph import read_graph
from of3.engines.trt import plan_file as plan
from of3.export.pictures import draw_face

CHUNK = 1000
HANGS_AFTER_S = 600
RUN = "import sys; from of3.runtime.cli import main; sys.exit(main())"
CARD = plan.PlanCard(
    model="m",
    precision="fp32",
    tf32=False,
    library="tensorrt_rtx",
    version="1.7.1.116",
    cuda_major=13,
    gpu="any",
    compute_capabilities=("8.6",),
    system="Linux x86_64",
    profile={"min": (1, 3, 8, 8), "opt": (4, 3, 8, 8), "max": (8, 3, 8, 8)},
    tensors=(plan.TensorCard("image", True, "FLOAT", (-1, 3, 8, 8)),),
    source_sha256="0" * 64,
    plan_sha256="0" * 64,
    plan_bytes=1,
)
Mutation = Callable[[bytearray, random.Random], None]


def flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def overwrite(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at : at + 4] = chance.choice(
        [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", chance.randbytes(4)]
    )


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(1, len(content) + 1) :]


def drop(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.randrange(1, 64)]


def repeat(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at:at] = content[at : at + chance.randrange(1, 256)]


MUTATIONS: Sequence[Mutation] = (flip, overwrite, cut, drop, repeat)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """One to eight changes; headers, where most decisions are taken, get half of them."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        if len(changed) < 2:
            break
        head = bytearray(changed[:128]) if chance.random() < 0.5 else None
        chance.choice(MUTATIONS)(changed if head is None else head, chance)
        if head is not None:
            changed[:128] = head
    return bytes(changed)


def seeds() -> list[tuple[str, bytes]]:
    """Small pictures of every kind that is read."""
    face = draw_face(1, 48)
    kinds = [
        *((".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]) for quality in (40, 95)),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        (".png", []),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
        (".bmp", []),
    ]
    made = [(suffix, cv2.imencode(suffix, face, flags)[1].tobytes()) for suffix, flags in kinds]
    wide = cv2.imencode(".png", face.astype(np.uint16) * 257)[1].tobytes()
    alpha = cv2.imencode(".png", cv2.cvtColor(face, cv2.COLOR_BGR2BGRA))[1].tobytes()
    return [*made, (".png", wide), (".png", alpha)]


def pictures(root: Path, count: int, chance: random.Random) -> Iterator[str]:
    """Mutated pictures through `of3 run`; yields what went wrong."""
    known = seeds()
    tally: Counter[str] = Counter()
    start = time.monotonic()
    for first in range(0, count, CHUNK):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "in"
            folder.mkdir()
            size = min(CHUNK, count - first)
            for number in range(size):
                suffix, content = chance.choice(known)
                (folder / f"{number:04d}{suffix}").write_bytes(mutated(content, chance))
            problem, counts = analysed(folder, Path(scratch) / "logs", root, size)
            tally += counts
            if problem:
                kept = Path(tempfile.mkdtemp(prefix="of3-fuzz-"))
                shutil.copytree(folder, kept / "in")
                yield f"pictures from {first}: {problem}; kept in {kept}"
    said = ", ".join(f"{name} {number}" for name, number in tally.most_common())
    print(f"pictures: {count} in {time.monotonic() - start:.0f} s: {said}")


def analysed(folder: Path, logs: Path, root: Path, size: int) -> tuple[str, Counter[str]]:
    """A run over a folder: what is wrong with it, and its counts."""
    flags = ["--aligned", str(folder), "--logs", str(logs), "--of3_root", str(root), "--device", "cpu"]
    command = [sys.executable, "-c", RUN, "run", *flags, "--help", "off", "--no_calib", "on"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False)
    except subprocess.TimeoutExpired:
        return f"hangs for {HANGS_AFTER_S} s", Counter()
    if done.returncode != 0:
        return f"exit {done.returncode}: {done.stderr[-500:]}", Counter()
    counts = json.loads((logs / "openface3" / "run.json").read_text())["counts"]
    rows = (logs / "openface3" / "openface3.csv").read_text().count("\n") - 1
    tally = Counter(counts["failed"], done=counts["done"], damaged=counts["damaged"])
    return ("" if rows == size else f"got {rows} rows for {size} pictures"), tally


def manifests(root: Path, count: int, chance: random.Random) -> Iterator[str]:
    """Mutated bundle.json, sidecars and model files."""
    source = root / "weights" / "of3_bundle"
    manifest = (source / MANIFEST).read_bytes()
    graph = (source / "detector.fp32.onnx").read_bytes()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        readers: list[tuple[bytes, Path, Callable[[Path], object]]] = [
            (manifest, folder / MANIFEST, lambda path: read_bundle(path.parent)),
            (plan.sidecar_text(CARD).encode(), folder / "plans" / "gpu" / "m.fp32.json", plan.read_card),
            (graph, folder / "m.onnx", lambda path: read_graph(trusted(path))),
        ]
        (folder / "plans" / "gpu").mkdir(parents=True)
        for number in range(count):
            content, path, read = readers[number % len(readers)]
            path.write_bytes(mutated(content, chance))
            try:
                read(path)
                tally["read"] += 1
            except (BundleError, EngineUnavailable):
                tally["refused"] += 1
            except Exception as error:  # noqa: BLE001  what this looks for
                yield f"manifest {number}, {path.name}: {type(error).__name__}: {error}"
    print(f"manifests, sidecars, graphs: {count}: {dict(tally)}")


def trusted(path: Path) -> ModelFile:
    """A file whose digest is right, so that its content is what is looked at."""
    import hashlib

    content = path.read_bytes()
    return ModelFile(path, hashlib.sha256(content).hexdigest(), len(content))


def checkpoints(root: Path, count: int, chance: random.Random) -> Iterator[str]:
    from of3.export.checkpoints import Unreadable, read_state

    content = (root / "weights" / "Alignment_RetinaFace.pth").read_bytes()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "m.pth"
        for number in range(count):
            path.write_bytes(mutated(content, chance))
            try:
                read_state(path)
                tally["read"] += 1
            except Unreadable:
                tally["refused"] += 1
            except Exception as error:  # noqa: BLE001  what this looks for
                yield f"checkpoint {number}: {type(error).__name__}: {error}"
    print(f"checkpoints: {count}: {dict(tally)}")


def main() -> int:
    made = argparse.ArgumentParser(prog="tools/fuzz.py", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace folder with a bundle")
    made.add_argument("--pictures", type=int, default=20_000)
    made.add_argument("--manifests", type=int, default=20_000)
    made.add_argument("--checkpoints", type=int, default=2_000)
    made.add_argument("--seed", type=int, default=0)
    given = made.parse_args()
    chance = random.Random(given.seed)
    problems = [
        *pictures(given.of3_root, given.pictures, chance),
        *manifests(given.of3_root, given.manifests, chance),
        *checkpoints(given.of3_root, given.checkpoints, chance),
    ]
    for problem in problems:
        print(f"FOUND: {problem}")
    print(f"{len(problems)} problems, seed {given.seed}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
