"""What is known of a video's faces beyond each one's own picture."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.tracks.follower import Follower, Following
from of3.runtime.types import RawValues, Record
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.pose import Camera, HeadPose, projected

CAMERA = Camera.of(1280, 720)
ZEROS = np.zeros(8, np.float32)


def record(x=600.0, side=100.0, landmarks=None, yaw=0.0):
    """A face whose box begins at x."""
    return Record(
        source="frame",
        emotion="neutral",
        probabilities={"neutral": 1.0},
        gaze_rad={"yaw": yaw, "pitch": 0.0},
        aus={1: 0.0},
        raw=RawValues(ZEROS, ZEROS[:2], ZEROS),
        box=(x, 300.0, x + side, 300.0 + side),
        confidence=0.9,
        landmarks=landmarks,
    )


def landmarks(yaw_rad=0.1, open_px=10.0):
    """Of a head 500 mm away, with eyes 40 px wide."""
    pose = HeadPose((0.0, 0.0, 500.0), (0.0, yaw_rad, 0.0), 0.0)
    points = np.full((98, 2), 640.0)
    points[list(POINTS)] = projected(FACE_MM, pose, CAMERA)
    for first in (60, 68):
        corners = points[first], points[first + 4]
        for number in range(1, 4):
            middle = corners[0] + (corners[1] - corners[0]) * number / 4
            points[first + number] = middle - np.array([0, open_px])
            points[first + 8 - number] = middle + np.array([0, open_px])
    return points.astype(np.float32)


def followed(frames, following=None):
    """Frames of records, 30 a second -> the faces of each."""
    follower = Follower(following or Following())
    return [follower.after(number / 30, records) for number, records in enumerate(frames)], follower


def test_faces_come_by_their_ids_whatever_their_order():
    left, right = record(200.0), record(900.0)
    frames, follower = followed([[left, right], [right, left], [], [right]])
    assert [[(face.face_id, face.record.box[0]) for face in faces] for faces in frames] == [
        [(0, 200.0), (1, 900.0)],
        [(0, 200.0), (1, 900.0)],
        [],
        [(1, 900.0)],
    ]
    assert follower.tracked == 2


def test_behind_a_cut_everybody_is_new():
    follower = Follower(Following())
    ids = [follower.after(time_s, [record()], time_s == 2.0)[0].face_id for time_s in (0.0, 1.0, 2.0)]
    assert ids == [0, 0, 1]


def test_a_head_has_its_pose_where_a_camera_is_given():
    ((face,),), _ = followed([[record(landmarks=landmarks(0.1))]], Following(camera=CAMERA))
    assert face.found.pose.rotation_rad == pytest.approx((0.0, 0.1, 0.0), abs=1e-3)
    assert face.found.pose.translation_mm[2] == pytest.approx(500, abs=1)
    ((face,),), _ = followed([[record(landmarks=landmarks(0.1))]])
    assert face.found.pose is None
    assert face.found.eyes is not None


def test_landmarks_that_fit_no_head_leave_the_pose_open():
    noise = np.random.default_rng(0).uniform(0, 100, (98, 2)).astype(np.float32)
    ((face,),), _ = followed([[record(landmarks=noise)]], Following(camera=CAMERA))
    assert face.found.pose is None


@pytest.mark.parametrize("points", [None, np.zeros((68, 2), np.float32)])
def test_without_98_landmarks_there_are_neither_eyes_nor_pose(points):
    ((face,),), _ = followed([[record(landmarks=points)]], Following(camera=CAMERA))
    assert (face.found.pose, face.found.eyes, face.is_blink) == (None, None, False)


def test_each_person_blinks_alone():
    shut, opened = landmarks(open_px=1.0), landmarks(open_px=8.0)
    frames = [[record(200.0, landmarks=opened), record(900.0, landmarks=opened)]] * 30
    frames.append([record(200.0, landmarks=opened), record(900.0, landmarks=shut)])
    seen, _ = followed(frames)
    assert [face.is_blink for face in seen[-1]] == [False, True]


def test_smoothing_steadies_box_landmarks_gaze_and_pose_and_nothing_else():
    chance = np.random.default_rng(0)
    frames = []
    for _ in range(60):
        shaken = landmarks() + chance.normal(0, 0.5, (98, 2)).astype(np.float32)
        frames.append([record(600 + chance.normal(0, 1), landmarks=shaken, yaw=chance.normal(0, 0.05))])
    plain, _ = followed(frames, Following(camera=CAMERA))
    steady, _ = followed(frames, Following(smooth_s=0.5, camera=CAMERA))

    def spread(seen, number):
        return np.std([number(faces[0]) for faces in seen[10:]])

    for number in (
        lambda face: face.record.box[0],
        lambda face: face.record.gaze_rad["yaw"],
        lambda face: face.record.landmarks[60, 0],
        lambda face: face.found.pose.rotation_rad[1],
        lambda face: face.found.pose.translation_mm[2],
    ):
        assert spread(steady, number) < 0.7 * spread(plain, number)
    assert [faces[0].found.eyes for faces in steady] == [faces[0].found.eyes for faces in plain]
    assert [faces[0].is_blink for faces in steady] == [faces[0].is_blink for faces in plain]


def test_who_has_gone_is_forgotten():
    follower = Follower(Following(gap_s=0.1))
    for number in range(100):
        follower.after(float(number), [record(1000.0 * (number % 2))])
    assert follower.tracked == 100
    assert len(follower._people) == 2


def test_at_a_frame_in_seconds_people_are_remembered_too():
    shut, opened = landmarks(open_px=1.0), landmarks(open_px=8.0)
    follower = Follower(Following(smooth_s=0.5))
    for number in range(4):
        follower.after(2.0 * number, [record(landmarks=opened)])
    ((face,),) = [follower.after(8.0, [record(603.0, landmarks=shut)])]
    assert (face.face_id, face.is_blink) == (0, True)
    assert face.record.box is not None and 600 < face.record.box[0] < 603


def test_a_record_without_a_box_is_refused():
    with pytest.raises(ValueError, match="got a record without a box"):
        Follower(Following()).after(0.0, [replace(record(), box=None)])
