"""Upstream's own classes as a contestant of `python -m tools.bench`, in the environment that --oracle names.

Needs `openface-test` there, and of ours only the timing: python -m tools.bench.upstream CASE ROOT FOLDER.
"""

import sys
from pathlib import Path

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


def main(case: str, root: str, folder: str) -> None:
    weights = Path(root) / "weights"
    multitask = MultitaskPredictor(str(weights / "MTL_backbone.pth"))
    detector = face_detection.FaceDetector(str(weights / "Alignment_RetinaFace.pth"))
    landmarks = LandmarkDetector(str(weights / "Landmark_98.pkl"))

    def analyse(path: str) -> None:
        picture = cv2.imread(path)
        assert picture is not None, path
        if case.startswith("aligned"):
            multitask.predict(picture)
            return
        _, found = detector.get_face(path)
        x1, y1, x2, y2 = np.maximum(found[0][:4].astype(int), 0)
        multitask.predict(picture[y1:y2, x1:x2])
        if case.startswith("landmarks"):
            landmarks.detect_landmarks(picture, found[:1])

    paths = sorted(str(path) for path in Path(folder).rglob("*.jpg"))
    serve(lambda: list(map(analyse, paths)))


if __name__ == "__main__":
    main(*sys.argv[1:])
