"""Upstream's own classes as a contestant of tools/bench.py, in the environment `--oracle` names.

Needs `openface-test` there and nothing of ours: `python bench_upstream.py CASE ROOT FOLDER`.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from openface import face_detection
from timing import serve

# Neither an ImageNet download nor a GPU is wanted here.
face_detection.cfg_mnet["pretrain"] = False
load = torch.load
torch.load = lambda *arguments, **options: load(*arguments, **{**options, "map_location": "cpu"})
torch.set_num_threads(2)


def main(case: str, root: str, folder: str) -> None:
    weights = Path(root) / "weights"
    from openface.multitask_model import MultitaskPredictor

    paths = sorted(str(path) for path in Path(folder).rglob("*.jpg"))
    multitask = MultitaskPredictor(str(weights / "MTL_backbone.pth"))
    detector = landmarks = None
    if not case.startswith("aligned"):
        detector = face_detection.FaceDetector(str(weights / "Alignment_RetinaFace.pth"))
    if case.startswith("landmarks"):
        from openface.landmark_detection import LandmarkDetector

        landmarks = LandmarkDetector(str(weights / "Landmark_98.pkl"))

    def step() -> None:
        for path in paths:
            if detector is None:
                multitask.predict(cv2.imread(path))
                continue
            _, found = detector.get_face(path)
            picture = cv2.imread(path)
            x1, y1, x2, y2 = np.maximum(found[0][:4].astype(int), 0)
            multitask.predict(picture[y1:y2, x1:x2])
            if landmarks is not None:
                landmarks.detect_landmarks(picture, found[:1])

    serve(step)


if __name__ == "__main__":
    main(*sys.argv[1:])
