"""Photographs through the pipeline, with the real detector."""

import cv2
import numpy as np

from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.types import Failure, Record


def pixels_of(path):
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return pixels


def on_canvas(path, height, width, top, left):
    """The 224 px face on a grey canvas, cut by its borders."""
    face = pixels_of(path)
    canvas = np.full((height + 448, width + 448, 3), 110, np.uint8)
    canvas[top + 224 : top + 448, left + 224 : left + 448] = face
    return np.ascontiguousarray(canvas[224:-224, 224:-224])


def iou(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    overlap = np.maximum(high - low, 0).prod()
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return overlap / (area(a) + area(b) - overlap)


def detected(bundle, pictures, **settings):
    with Pipeline.open(bundle, Settings(detect=True, **settings)) as pipeline:
        return list(pipeline.run(pictures))


def test_each_real_face_is_found_above_099(real_detector, faces):
    for record in detected(real_detector, faces):
        assert record.confidence > 0.99
        x1, y1, x2, y2 = record.box
        assert 50 < x2 - x1 < 224
        assert 50 < y2 - y1 < 260


def test_faces_cut_by_the_border_are_kept(real_detector, faces):
    cut = [on_canvas(path, 300, 300, top, left) for path in faces for top, left in ((-40, -60), (130, 120))]
    for record in detected(real_detector, cut):
        assert isinstance(record, Record)
        assert record.confidence is not None and record.confidence > 0.5
    boxes = [record.box for record in detected(real_detector, cut)]
    assert any(box[0] < 0 or box[1] < 0 for box in boxes), "no box crosses the border: the test shows nothing"


def test_resized_detection_finds_the_same_faces(real_detector, faces):
    scenes = [on_canvas(path, 481, 643, 100, 200) for path in faces]
    whole = detected(real_detector, scenes)
    for factor in (0.5, 0.77, 2.0):
        for left, right in zip(whole, detected(real_detector, scenes, detector_resize=factor), strict=True):
            assert iou(np.array(left.box), np.array(right.box)) > 0.8


def test_no_face_is_said(real_detector, shared_root):
    (failure,) = detected(real_detector, [np.full((200, 200, 3), 90, np.uint8)])
    assert failure == Failure("array 0", "detect", "no face")
