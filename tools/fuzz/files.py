"""Mutated files through everything that reads files.

Pictures go through the whole of `of3 run`, a thousand a process; bundle manifests, plans' sidecars, model files
and checkpoints through what reads them.
"""

import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from of3.engines.base import EngineUnavailable
from of3.engines.bundle import BundleError, ModelFile
from of3.engines.graph import read_graph
from of3.engines.manifest import MANIFEST, read_bundle
from of3.engines.trt import plan_file as plan
from of3.export.checkpoints import Unreadable, read_state
from of3.export.pictures import draw_face
from tools.bench.command import of3_run

CHUNK = 1000
HANGS_AFTER_S = 600
PROFILE = {"min": (1, 3, 8, 8), "opt": (4, 3, 8, 8), "max": (8, 3, 8, 8)}
TENSORS = (plan.TensorCard("image", True, "FLOAT", (-1, 3, 8, 8)),)
MADE_WITH = ("tensorrt_rtx", "1.7.1.116", 13, "any", ("8.6",), "Linux x86_64")
CARD = plan.PlanCard("m", "fp32", False, *MADE_WITH, PROFILE, TENSORS, "0" * 64, "0" * 64, 1)
Mutation = Callable[[bytearray, int, random.Random], None]  # of bytes, at one of them
Reader = tuple[bytes, Path, Callable[[Path], object]]  # content, where it is put, what reads it there


def flip(content: bytearray, at: int, chance: random.Random) -> None:
    content[at] ^= 1 << chance.randrange(8)


def overwrite(content: bytearray, at: int, chance: random.Random) -> None:
    extremes = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
    content[at : at + 4] = chance.choice([*extremes, chance.randbytes(4)])


def cut(content: bytearray, at: int, _: random.Random) -> None:
    del content[at + 1 :]


def drop(content: bytearray, at: int, chance: random.Random) -> None:
    del content[at : at + chance.randrange(1, 64)]


def repeat(content: bytearray, at: int, chance: random.Random) -> None:
    content[at:at] = content[at : at + chance.randrange(1, 256)]


MUTATIONS: Sequence[Mutation] = (flip, overwrite, cut, drop, repeat)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """One to eight changes; headers, where most decisions are taken, get half of them."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        if len(changed) < 2:
            break
        size = min(128, len(changed)) if chance.random() < 0.5 else len(changed)
        part = changed[:size]
        chance.choice(MUTATIONS)(part, chance.randrange(size), chance)
        changed[:size] = part
    return bytes(changed)


def seeds() -> list[tuple[str, bytes]]:
    """Small pictures of every kind that is read."""
    face = draw_face(1, 48)
    wide, alpha = face.astype(np.uint16) * 257, cv2.cvtColor(face, cv2.COLOR_BGR2BGRA)
    kinds = [
        *((".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality]) for quality in (40, 95)),
        (".jpg", face, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".jpg", face, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        *((".webp", face, [cv2.IMWRITE_WEBP_QUALITY, quality]) for quality in (80, 101)),
        (".bmp", face, []),
        *((".png", picture, []) for picture in (face, wide, alpha)),
    ]
    return [(suffix, cv2.imencode(suffix, picture, flags)[1].tobytes()) for suffix, picture, flags in kinds]


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
    command = of3_run(folder, logs, root)
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


def manifest_readers(root: Path, folder: Path) -> Iterator[Reader]:
    """bundle.json, a plan's sidecar, a model file."""
    source = root / "weights" / "of3_bundle"
    plans = folder / "plans" / "gpu"
    plans.mkdir(parents=True)
    yield (source / MANIFEST).read_bytes(), folder / MANIFEST, lambda path: read_bundle(path.parent)
    yield plan.sidecar_text(CARD).encode(), plans / "m.fp32.json", plan.read_card
    graph = (source / "detector.fp32.onnx").read_bytes()
    yield graph, folder / "m.onnx", lambda path: read_graph(trusted(path))


def checkpoint_readers(root: Path, folder: Path) -> Iterator[Reader]:
    yield (root / "weights" / "Alignment_RetinaFace.pth").read_bytes(), folder / "m.pth", read_state


def trusted(path: Path) -> ModelFile:
    """A file whose digest is right, so that its content is what is looked at."""
    content = path.read_bytes()
    return ModelFile(path, hashlib.sha256(content).hexdigest(), len(content))


def read_in_turn(
    readers_of: Callable[[Path, Path], Iterator[Reader]], root: Path, count: int, chance: random.Random
) -> Iterator[str]:
    """Mutated files to what reads them; yields what was raised but refusals."""
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        readers = list(readers_of(root, Path(scratch)))
        for number in range(count):
            content, path, read = readers[number % len(readers)]
            path.write_bytes(mutated(content, chance))
            try:
                read(path)
                tally["read"] += 1
            except (BundleError, EngineUnavailable, Unreadable):
                tally["refused"] += 1
            except Exception as error:  # noqa: BLE001  what this looks for
                yield f"{number}, {path.name}: {type(error).__name__}: {error}"
    print(f"{', '.join(path.name for _, path, _ in readers)}: {count}: {dict(tally)}")
