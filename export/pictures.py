"""Pictures to measure on: those beside the weights, and faces drawn by code where there are too few."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from of3.runtime.types import Pixels
from of3.runtime.vision.images import SUFFIXES


def read_pictures(folder: Path, most: int) -> list[Pixels]:
    """The first `most` readable pictures below `folder`, in sorted order."""
    found: list[Pixels] = []
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    for path in paths:
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
        if pixels is not None:
            found.append(pixels.astype(np.uint8, copy=False))
        if len(found) == most:
            break
    return found


def draw_face(seed: int, side_px: int = 256, openness: float | None = None) -> Pixels:
    """A cartoon face in BGR, (side,side,3): skin, hair, eyes, brows and mouth vary with the seed.

    openness: of the mouth in [0,1]; drawn by lot when None.
    """
    rng = np.random.default_rng(seed)
    canvas = _background(rng)
    skin = tuple(float(value) for value in rng.uniform((90, 120, 150), (190, 210, 240)))
    centre = (int(128 + rng.uniform(-8, 8)), int(134 + rng.uniform(-8, 8)))
    width, height = int(rng.uniform(70, 88)), int(rng.uniform(92, 108))
    hair = tuple(float(value) for value in rng.uniform(10, 110, 3))
    cv2.ellipse(canvas, (centre[0], centre[1] - 14), (width + 10, height + 6), 0, 150, 390, hair, -1)
    cv2.ellipse(canvas, centre, (width, height), 0, 0, 360, skin, -1)
    _draw_eyes(canvas, centre, rng)
    nose = tuple(value * 0.75 for value in skin)
    cv2.ellipse(canvas, (centre[0], centre[1] + 18), (9, 20), 0, 0, 360, nose, 3)
    lift = int(rng.uniform(-14, 18))
    opened = rng.uniform() if openness is None else openness
    mouth = (centre[0], centre[1] + 56)
    cv2.ellipse(
        canvas,
        mouth,
        (32, max(abs(lift), 3)),
        0,
        0 if lift > 0 else 180,
        180 if lift > 0 else 360,
        (60, 50, 150),
        5,
    )
    cv2.ellipse(canvas, mouth, (22, 1 + int(16 * opened)), 0, 0, 360, (40, 20, 60), -1)
    noisy = cv2.GaussianBlur(canvas, (5, 5), 1.2).astype(np.float32) + rng.normal(0, 4, canvas.shape)
    face = np.clip(noisy, 0, 255).astype(np.uint8)
    return cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _background(rng: np.random.Generator) -> Pixels:
    ramp = np.linspace(rng.uniform(20, 200, 3), rng.uniform(20, 200, 3), 256)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None], (256, 256, 3)), np.uint8)


def _draw_eyes(canvas: Pixels, centre: tuple[int, int], rng: np.random.Generator) -> None:
    gap, lid = int(rng.uniform(30, 38)), int(rng.uniform(5, 12))
    look = rng.uniform(-6, 6, 2)
    brow, tilt = int(rng.uniform(20, 34)), rng.uniform(-12, 12)
    for sign in (-1, 1):
        eye = (centre[0] + sign * gap, centre[1] - 20)
        cv2.ellipse(canvas, eye, (17, lid), 0, 0, 360, (235, 235, 235), -1)
        cv2.circle(canvas, (int(eye[0] + look[0]), int(eye[1] + look[1] / 2)), 6, (50, 40, 30), -1)
        cv2.ellipse(canvas, (eye[0], eye[1] - brow + 10), (20, 7), sign * tilt, 190, 350, (30, 30, 40), 4)


def noise_and_flat(count: int, seed: int, side_px: int) -> list[Pixels]:
    """White noise and single colours, alternating: without them a batch norm that saw only faces amplifies
    anything else until float32 itself is no longer exact."""
    rng = np.random.default_rng(seed)
    shape = (side_px, side_px, 3)
    return [
        rng.integers(0, 256, shape, np.uint8)
        if index % 2
        else np.full(shape, rng.integers(0, 256, 3), np.uint8)
        for index in range(count)
    ]


def pictures_for(root: Path, fewest: int, most: int) -> list[Pixels]:
    """Pictures below `<root>/images`, made up to `fewest` with drawn faces."""
    found = read_pictures(root / "images", most)
    return found + [draw_face(seed) for seed in range(fewest - len(found))]


def main(argv: Sequence[str] | None = None) -> int:
    """Write 24 drawn faces of several sizes into a folder, for the demo."""
    made = argparse.ArgumentParser(prog="python -m of3.export.pictures", description=main.__doc__)
    made.add_argument("folder", type=Path)
    folder = made.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(24):
        encoded = cv2.imencode(".jpg", draw_face(number, (160, 224, 320)[number % 3]))[1]
        (folder / f"face_{number:02d}.jpg").write_bytes(encoded.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
