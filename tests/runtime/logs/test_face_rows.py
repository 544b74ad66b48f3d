from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs.columns import face_columns, names_of, texts
from of3.runtime.logs.face_rows import face_row, no_face_row
from of3.runtime.types import RawValues, Record
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.derived import Derived, derived
from of3.runtime.vision.eyes import Openness
from of3.runtime.vision.lens import camera_of
from of3.runtime.vision.pose import Camera, HeadPose, projected

SHARES = {
    "neutral": 0.5,
    "happy": 0.25,
    "sad": 0.125,
    "surprise": 0.125,
    "fear": 0,
    "disgust": 0,
    "anger": 0,
    "contempt": 0,
}
NONE = np.empty(0, np.float32)


@pytest.fixture
def record():
    return Record(
        source="in/a.jpg",
        emotion="neutral",
        probabilities=SHARES,
        gaze_rad={"pitch": -0.25, "yaw": 0.5},
        aus={unit: unit / 100 for unit in (1, 2, 4, 6, 9, 12, 25, 26)},
        raw=RawValues(NONE, NONE, NONE),
        box=(10, 20, 40.5, 61.25),
        confidence=0.75,
        landmarks=None,
        face=3,
        size_px=(1280, 720),
    )


def by_name(row, points=0):
    (cells,) = texts(face_columns(points), [row])
    return dict(zip(names_of(face_columns(points)), cells, strict=True))


def test_columns_are_those_of_the_documentation_in_its_order():
    want = (
        "face_id,confidence,success,box_x,box_y,box_w,box_h,gaze_yaw,gaze_pitch,pose_Tx,pose_Ty,pose_Tz,pose_Rx,"
        "pose_Ry,pose_Rz,pose_error_px,emotion,emotion_neutral,emotion_happy,emotion_sad,emotion_surprise,"
        "emotion_fear,emotion_disgust,emotion_anger,emotion_contempt,AU01,AU02,AU04,AU06,AU09,AU12,AU25,AU26,"
        "eye_open_left,eye_open_right,blink"
    )
    assert ",".join(names_of(face_columns(0))) == want
    assert ",".join(names_of(face_columns(2))) == f"{want},x_0,x_1,y_0,y_1"


def test_a_face_by_hand(record):
    found = Derived(HeadPose((1, -2.5, 600), (0.1, -0.2, 0.3), 1.25), Openness(0.31, 0.29))
    cells = by_name(face_row(record, found, 7, 0, blink=True))
    assert (cells["face_id"], cells["confidence"], cells["success"]) == ("7", "0.7500", "1")
    assert [cells[f"box_{name}"] for name in "xywh"] == ["10.00", "20.00", "30.50", "41.25"]
    assert (cells["gaze_yaw"], cells["gaze_pitch"]) == ("0.5000", "-0.2500")
    assert [cells[f"pose_T{axis}"] for axis in "xyz"] == ["1.00", "-2.50", "600.00"]
    assert [cells[f"pose_R{axis}"] for axis in "xyz"] == ["0.1000", "-0.2000", "0.3000"]
    assert (cells["pose_error_px"], cells["emotion"], cells["emotion_happy"]) == ("1.25", "neutral", "0.2500")
    assert (cells["AU01"], cells["AU26"]) == ("0.0100", "0.2600")
    assert (cells["eye_open_left"], cells["eye_open_right"], cells["blink"]) == ("0.3100", "0.2900", "1")


def test_what_is_not_known_is_blank(record):
    cells = by_name(face_row(replace(record, box=None, confidence=None), Derived(), 0, 98), 98)
    assert (cells["success"], cells["face_id"], cells["emotion"]) == ("1", "0", "neutral")
    blank = {name for name, cell in cells.items() if not cell}
    assert blank == {
        *("confidence", "box_x", "box_y", "box_w", "box_h", "eye_open_left", "eye_open_right", "blink"),
        *(name for name in names_of(face_columns(0)) if name.startswith("pose_")),
        *(f"{axis}_{number}" for axis in "xy" for number in range(98)),
    }
    none = by_name(no_face_row(98), 98)
    assert {name for name, cell in none.items() if cell} == {"success"} and none["success"] == "0"


def test_pose_and_eyes_follow_from_landmarks_and_the_picture_s_size(record):
    landmarks = np.random.default_rng(0).random((98, 2)).astype(np.float32) * 1000
    pose = HeadPose((30, -20, 700), (0.1, -0.3, 0.2), 0)
    landmarks[list(POINTS)] = projected(FACE_MM, pose, Camera.of(1280, 720))
    found = derived(landmarks, camera_of(record))
    assert found.pose is not None and found.eyes is not None
    np.testing.assert_allclose(found.pose.rotation_rad, pose.rotation_rad, atol=1e-3)
    np.testing.assert_allclose(found.pose.translation_mm, pose.translation_mm, rtol=1e-3, atol=0.1)
    assert found == derived(landmarks, Camera.of(1280, 720))
    assert camera_of(replace(record, size_px=None)) is None
    cells = by_name(face_row(replace(record, landmarks=landmarks), found, 0, 98), 98)
    assert (cells["x_5"], cells["y_97"]) == (f"{landmarks[5, 0]:.2f}", f"{landmarks[97, 1]:.2f}")


def test_landmarks_that_are_no_face_s_give_no_pose(record):
    camera = camera_of(record)
    for landmarks in (None, np.zeros((98, 2), np.float32), np.zeros((68, 2), np.float32)):
        assert derived(landmarks, camera) == Derived()
