"""Videos to measure on, drawn by code: faces of a root that move before a still background."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from of3.export.pictures import draw_face
from of3.runtime.types import Pixels

RATE = 30  # frames/s


def make_clip(path: Path, root: Path, count: int, people: int = 1, height: int = 720) -> None:
    """H.264 of 16:9, as telephones and cameras write it: crf 20, a key frame every 2 s."""
    width = height * 16 // 9
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "g": str(2 * RATE)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in frames(root, count, people, (height, width)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode(None))


def frames(root: Path, count: int, people: int, size: tuple[int, int]) -> Iterator[Pixels]:
    """size: height and width.  Up to four faces stand beside each other, more in two rows."""
    height, width = size
    rows = 1 if people <= 4 else 2
    columns = -(-people // rows)
    side = min(int(0.44 * height), int(0.7 * height / rows), int(0.7 * width / columns))
    faces = [cv2.resize(face, (side, side)) for face in read_faces(root)]
    background = still(height, width)
    for number in range(count):
        scene = background.copy()
        for person in range(people):
            turn = 2 * math.pi * number / (3 * RATE) + person
            middle = (person // columns + 0.5) * height / rows, (person % columns + 0.5) * width / columns
            top = int(middle[0] - side / 2 + 0.04 * height * math.sin(turn))
            left = int(middle[1] - side / 2 + 0.05 * height * math.cos(turn))
            scene[top : top + side, left : left + side] = faces[person % len(faces)]
        yield scene


def read_faces(root: Path) -> Sequence[Pixels]:
    """The square around the middle of each face picture of the root."""
    read = [cv2.imread(str(path)) for path in sorted((root / "images").glob("*.jpg"))]
    faces = [np.asarray(face, np.uint8) for face in read if face is not None] or [draw_face(0)]
    return [_square(face) for face in faces]


def _square(face: Pixels) -> Pixels:
    height, width = face.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return face[top : top + side, left : left + side]


def still(height: int, width: int) -> Pixels:
    """A ramp with the grain of a wall."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(rng.uniform(40, 200, 3), rng.uniform(40, 200, 3), width)
    grain = cv2.GaussianBlur(rng.normal(0, 30, (height, width, 3)), (0, 0), 2)
    return np.clip(ramp[None] + grain, 0, 255).astype(np.uint8)
