import math
import pickle
from dataclasses import astuple, replace
from itertools import product

import numpy as np
import pytest

from of3.runtime.types import PictureError
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.derived import derived
from of3.runtime.vision.pose import Camera, HeadPose, head_pose, projected, rotation_matrix

CAMERA = Camera.of(1280, 720)
FACE_PX = 200
FACE_WIDTH_MM = 155  # the mean head's, from ear to ear
DISTANCE_MM = CAMERA.fx_px * FACE_WIDTH_MM / FACE_PX
AHEAD = HeadPose((0, 0, DISTANCE_MM), (0, 0, 0), 0)
# The points of a mirrored picture, by the points of the picture.
MIRRORED = {
    51: 51,
    52: 52,
    53: 53,
    54: 54,
    57: 57,
    55: 59,
    59: 55,
    56: 58,
    58: 56,
    60: 72,
    72: 60,
    64: 68,
    68: 64,
}
WHAT_EXPRESSIONS_MOVE = sorted(set(range(98)) - set(POINTS))


def landmarks(pose, camera=CAMERA):
    """All 98, of which those that pose does not look at lie anywhere."""
    points = np.full((98, 2), 17, np.float32)
    points[list(POINTS)] = projected(FACE_MM, pose, camera)
    return points


def looking(pitch=0, yaw=0, roll=0):
    """So many degrees away from straight ahead."""
    return replace(AHEAD, rotation_rad=(math.radians(pitch), math.radians(yaw), math.radians(roll)))


def random_poses(count=200):
    rng = np.random.default_rng(7)
    for _ in range(count):
        angles_rad = np.radians(rng.uniform(-1, 1, 3) * (60, 45, 45))
        x, y = rng.uniform(-0.3, 0.3, 2) * DISTANCE_MM
        yield HeadPose((x, y, DISTANCE_MM), tuple(angles_rad), 0)


def errors_deg(noise_px):
    rng = np.random.default_rng(8)
    for pose in random_poses():
        seen = landmarks(pose) + rng.normal(0, noise_px, (98, 2))
        found = head_pose(seen.astype(np.float32), CAMERA)
        yield np.degrees(np.abs(np.subtract(found.rotation_rad, pose.rotation_rad)))


def test_points_of_a_known_pose_give_that_pose():
    assert np.max(list(errors_deg(noise_px=0))) < 0.01


@pytest.mark.parametrize(("noise_px", "most_deg"), [(0.5, 0.5), (1, 1), (2, 2)])
def test_noise_of_landmarks_moves_the_median_angle_little(noise_px, most_deg):
    assert np.median(list(errors_deg(noise_px)), axis=0).max() < most_deg


def test_the_place_of_the_head_is_found_in_mm():
    pose = HeadPose((-120, 45, 830), (0.2, -0.3, 0.1), 0)
    np.testing.assert_allclose(head_pose(landmarks(pose), CAMERA).translation_mm, pose.translation_mm, atol=0.1)


def test_the_error_is_the_distance_of_the_landmarks_from_the_heads_points():
    seen, rng = landmarks(looking(10, 20, 5)), np.random.default_rng(1)
    assert head_pose(seen, CAMERA).error_px < 0.001
    shaken = seen + rng.normal(0, 2, seen.shape).astype(np.float32)
    found = head_pose(shaken, CAMERA)
    off = projected(FACE_MM, found, CAMERA) - shaken[list(POINTS)]
    assert found.error_px == pytest.approx(math.sqrt((off**2).sum(axis=1).mean()))
    assert 1 < found.error_px < 3


@pytest.mark.parametrize(
    ("pose", "axis", "to"),
    [
        (looking(pitch=20), 1, 1),
        (looking(yaw=20), 0, -1),
        (looking(pitch=-20), 1, -1),
        (looking(yaw=-20), 0, 1),
    ],
)
def test_the_nose_points_down_at_positive_pitch_and_to_the_pictures_left_at_positive_yaw(pose, axis, to):
    seen = landmarks(pose)
    between_eye_corners, tip = seen[[60, 72]].mean(axis=0), seen[54]
    straight = landmarks(AHEAD)
    before = straight[54] - straight[[60, 72]].mean(axis=0)
    assert to * ((tip - between_eye_corners) - before)[axis] > 5


def test_the_right_eye_is_lower_in_the_picture_at_positive_roll():
    seen = landmarks(looking(roll=20))
    assert seen[72, 1] > seen[60, 1] + 20
    assert seen[72, 0] > seen[60, 0]


def test_the_rotation_is_pitch_of_yaw_of_roll():
    about_x = rotation_matrix(looking(pitch=30))
    about_y, about_z = rotation_matrix(looking(yaw=-40)), rotation_matrix(looking(roll=15))
    np.testing.assert_allclose(rotation_matrix(looking(30, -40, 15)), about_x @ about_y @ about_z, atol=1e-12)
    np.testing.assert_allclose(about_x @ [0, 1, 0], [0, math.cos(math.pi / 6), 0.5], atol=1e-12)


def test_a_mirrored_face_has_the_opposite_yaw_and_roll_and_the_same_pitch():
    for pose in random_poses(30):
        seen = landmarks(pose)
        mirrored = seen.copy()
        mirrored[list(MIRRORED)] = seen[list(MIRRORED.values())]
        mirrored[:, 0] = 1280 - mirrored[:, 0]
        found = head_pose(mirrored, CAMERA)
        np.testing.assert_allclose(found.rotation_rad, np.multiply(pose.rotation_rad, (1, -1, -1)), atol=1e-3)
        np.testing.assert_allclose(found.translation_mm, np.multiply(pose.translation_mm, (-1, 1, 1)), atol=0.5)


def test_a_picture_twice_as_large_has_the_same_pose():
    pose = HeadPose((50, -20, 700), (0.1, 0.2, -0.3), 0)
    found = head_pose(2 * landmarks(pose), Camera.of(2560, 1440))
    np.testing.assert_allclose(found.rotation_rad, pose.rotation_rad, atol=1e-4)
    np.testing.assert_allclose(found.translation_mm, pose.translation_mm, rtol=1e-3, atol=0.1)


def test_a_wrong_focal_length_costs_few_degrees_and_scales_the_distance():
    shorter = replace(CAMERA, fx_px=0.6 * CAMERA.fx_px, fy_px=0.6 * CAMERA.fy_px)
    for angles in ((0, 0, 0), (15, 0, 0), (0, 25, 0), (-10, -25, 10)):
        found = head_pose(landmarks(looking(*angles)), shorter)
        assert np.abs(np.degrees(found.rotation_rad) - angles).max() < 5
        assert found.translation_mm[2] == pytest.approx(0.6 * DISTANCE_MM, rel=0.1)


@pytest.mark.parametrize(("width_px", "height_px", "face_px"), [(3840, 2160, 24), (7680, 4320, 8)])
@pytest.mark.parametrize("aside", [-0.6, 0, 0.6])
def test_a_small_face_in_a_large_picture_has_its_pose(width_px, height_px, face_px, aside):
    camera = Camera.of(width_px, height_px)
    distance_mm = camera.fx_px * FACE_WIDTH_MM / face_px
    pose = HeadPose((aside * distance_mm, 0, distance_mm), (0.2, -0.4, 0.1), 0)
    found = head_pose(landmarks(pose, camera), camera)
    np.testing.assert_allclose(np.degrees(found.rotation_rad), np.degrees(pose.rotation_rad), atol=0.5)
    np.testing.assert_allclose(found.translation_mm, pose.translation_mm, rtol=0.01, atol=0.01 * distance_mm)


def test_an_expression_does_not_move_the_head():
    pose = HeadPose((30, 10, 600), (0.1, -0.2, 0.05), 0)
    speaking = landmarks(pose)
    speaking[WHAT_EXPRESSIONS_MOVE] += np.random.default_rng(2).normal(0, 20, (85, 2)).astype(np.float32)
    assert head_pose(speaking, CAMERA) == head_pose(landmarks(pose), CAMERA)
    assert {16, 37, 38, 76, 85, 90, 94} <= set(WHAT_EXPRESSIONS_MOVE)  # chin, brows, lips


def test_the_camera_that_openface_supposes():
    assert astuple(Camera.of(640, 480)) == (500, 500, 320, 240)
    assert astuple(Camera.of(1280, 720)) == (875, 875, 640, 360)


@pytest.mark.parametrize("scale_px", [30, 200, 2000])
def test_points_that_are_no_face_are_the_pictures_error(scale_px):
    rng = np.random.default_rng(3)
    for _ in range(100):
        with pytest.raises(PictureError, match=r"head pose: .*landmarks"):
            head_pose(rng.uniform(0, scale_px, (98, 2)).astype(np.float32), CAMERA)


def test_a_face_in_another_order_is_the_pictures_error():
    rng = np.random.default_rng(4)
    for pose in random_poses(50):
        seen = landmarks(pose)
        seen[list(POINTS)] = seen[rng.permutation(POINTS)]
        with pytest.raises(PictureError, match=r"head pose: .*landmarks"):
            head_pose(seen, CAMERA)


def test_a_mirrored_order_is_told_from_a_turned_head():
    seen = landmarks(looking(yaw=20))
    seen[:, 0] = 1280 - seen[:, 0]
    with pytest.raises(PictureError, match="from behind, or in a mirrored order"):
        head_pose(seen, CAMERA)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (np.full((98, 2), 40, np.float32), "landmarks spread over 0 px, want 1 or more"),
        (np.full((98, 2), np.nan, np.float32), "a landmark is not finite"),
        (np.full((98, 2), 3e7, np.float32), "a landmark is not finite or beyond 1e.06"),
        (np.zeros((68, 2), np.float32), r"got landmarks of shape \(68, 2\), want \(98, 2\)"),
        (np.repeat(np.arange(98, dtype=np.float32)[:, None], 2, axis=1), "off a face's by .* of their spread"),
    ],
)
def test_what_cannot_be_a_face_is_told(points, told):
    with pytest.raises(PictureError, match=told):
        head_pose(points, CAMERA)


def test_points_for_which_there_is_no_pose_are_the_pictures_error():
    across = np.array([0, 1, 1, 1, -1, 1, 1, 1, 1, 0, 1, -1, -1])
    down = np.array([-1, -1, 0, 0, 1, 0, 2, 0, 0, -1, -1, 0, 0])
    points = np.zeros((98, 2), np.float32)
    points[list(POINTS)] = 4094.21 * np.stack([across, down], axis=1)
    with pytest.raises(PictureError, match=r"head pose: .*landmarks"):
        head_pose(points, Camera.of(640, 480))


FOCAL_PX = (1e-300, 1.0, 875.0, 1e12, 1e160, 1e300)


@pytest.mark.parametrize("centre_px", [(640.0, 360.0), (1e12, 1e12), (1e300, 360.0)])
def test_a_camera_that_cannot_be_gives_a_pose_that_fits_or_none(centre_px):
    seen = landmarks(looking(pitch=5, yaw=10))
    cameras = (Camera(fx_px, fy_px, *centre_px) for fx_px, fy_px in product(FOCAL_PX, FOCAL_PX))
    poses = [derived(seen, camera).pose for camera in cameras]
    assert None in poses
    assert all(pose is None or pose.error_px < FACE_PX for pose in poses)


def test_before_a_far_too_long_lens_no_head_has_its_landmarks():
    beside = Camera(1e6, 1e6, 1e12, 1e12)
    for camera in (Camera(1e300, CAMERA.fy_px, CAMERA.cx_px, CAMERA.cy_px), beside):
        with pytest.raises(PictureError, match=r"no head has these landmarks before this camera: .*VARIANCE"):
            head_pose(landmarks(AHEAD), camera)
        assert derived(landmarks(AHEAD), camera).pose is None


def test_poses_and_cameras_can_be_sent_to_another_process():
    found = head_pose(landmarks(AHEAD), CAMERA)
    assert pickle.loads(pickle.dumps((found, CAMERA))) == (found, CAMERA)
