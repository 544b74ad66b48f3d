"""Upstream's own classes as a contestant of `python -m tools.bench`, in the environment that --oracle names.

Needs `openface-test` there, and of ours only the timing: python -m tools.bench.upstream CASE ROOT FOLDER.
A case is what is done to each picture, or frame of a video: aligned, detect, landmarks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from openface import face_detection  # type: ignore[import-not-found]
from openface.landmark_detection import LandmarkDetector  # type: ignore[import-not-found]
from openface.multitask_model import MultitaskPredictor  # type: ignore[import-not-found]

from tools.bench.timing import serve

# Neither an ImageNet download nor a GPU is wanted here.
face_detection.cfg_mnet["pretrain"] = False
load = torch.load
torch.load = lambda *arguments, **options: load(*arguments, **{**options, "map_location": "cpu"})
torch.set_num_threads(2)


class Reader(face_detection.FaceDetector):  # type: ignore[misc]
    """Takes pixels in the place of a path, as who loops over a video has them."""

    def preprocess_image(self, image_path: Any, resize: float = 1.0) -> Any:
        mean = np.array([104, 117, 123], np.float32)
        tensor = torch.from_numpy((image_path.astype(np.float32) - mean).transpose(2, 0, 1))
        return tensor.unsqueeze(0), image_path


def pictures(folder: Path) -> Iterator[Any]:
    """BGR arrays."""
    for path in sorted(folder.rglob("*.jpg")):
        yield cv2.imread(str(path))
    for path in sorted(folder.rglob("*.mp4")):
        video = cv2.VideoCapture(str(path))
        while (read := video.read())[0]:
            yield read[1]


def main(case: str, root: str, folder: str) -> None:
    weights = Path(root) / "weights"
    multitask = MultitaskPredictor(str(weights / "MTL_backbone.pth"))
    detector = Reader(str(weights / "Alignment_RetinaFace.pth"))
    landmarks = LandmarkDetector(str(weights / "Landmark_98.pkl"))

    def analyse(picture: Any) -> None:
        if case.startswith("aligned"):
            multitask.predict(picture)
            return
        _, found = detector.get_face(picture)
        x1, y1, x2, y2 = np.maximum(found[0][:4].astype(int), 0)
        multitask.predict(picture[y1:y2, x1:x2])
        if case.startswith("landmarks"):
            landmarks.detect_landmarks(picture, found[:1])

    serve(lambda: list(map(analyse, pictures(Path(folder)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
