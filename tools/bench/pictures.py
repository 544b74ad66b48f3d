"""Folders of pictures to measure on, drawn by code."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from of3.export.pictures import draw_face
from of3.runtime.types import Pixels


def jpeg(picture: Pixels) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def make_pictures(case: str, root: Path, folder: Path, count: int) -> None:
    """JPEG files of a case: `aligned_PX`, drawn faces of that side, or faces of the root in scenes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kind, size = case.split("_")
    faces = (draw_face(seed, int(size)) for seed in range(count)) if kind == "aligned" else scenes(root, count)
    for number, picture in enumerate(faces):
        (folder / f"{number:04d}.jpg").write_bytes(jpeg(picture))


def scenes(root: Path, count: int) -> Iterator[Pixels]:
    """Pictures of 1280x720: a face of the root, 320 px high, before noise and ramps."""
    read = [cv2.imread(str(path)) for path in sorted((root / "images").glob("*.jpg"))]
    faces = [face for face in read if face is not None] or [draw_face(0)]
    for number in range(count):
        rng = np.random.default_rng(number)
        ramp = np.linspace(rng.uniform(0, 255, 3), rng.uniform(0, 255, 3), 1280)
        scene = np.clip(ramp[None] + rng.normal(0, 12, (720, 1280, 3)), 0, 255).astype(np.uint8)
        face = faces[number % len(faces)]
        scale = 320 / face.shape[0]
        face = cv2.resize(face, None, fx=scale, fy=scale)[:, :900].astype(np.uint8, copy=False)
        top, left = int(rng.integers(0, 720 - 320)), int(rng.integers(0, 1280 - face.shape[1]))
        scene[top : top + face.shape[0], left : left + face.shape[1]] = face
        yield scene


def linked(pictures: Path, count: int) -> Path:
    """A folder of `count` names of a folder's pictures, beside it."""
    sources = sorted(pictures.iterdir())
    folder = pictures.with_name(f"{pictures.name}_{count}")
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            os.link(sources[number % len(sources)], folder / f"{number:06d}.jpg")
    return folder
