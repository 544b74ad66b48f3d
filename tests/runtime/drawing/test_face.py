"""What is drawn of a face."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.drawing.face import drawn_face
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.vision.derived import derived
from of3.runtime.vision.pose import Camera

SIZE = (1280, 720)
# The number that each landmark has in the mirrored picture.
MIRRORED = [
    *range(32, -1, -1),
    *(46, 45, 44, 43, 42, 50, 49, 48, 47),
    *(37, 36, 35, 34, 33, 41, 40, 39, 38),
    *range(51, 55),
    *range(59, 54, -1),
    *(72, 71, 70, 69, 68, 75, 74, 73),
    *(64, 63, 62, 61, 60, 67, 66, 65),
    *(82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83),
    *(92, 91, 90, 89, 88, 95, 94, 93),
    *(97, 96),
]


def drawn(record, number=0, size=SIZE):
    camera = Camera.of(*size)
    return drawn_face(record, derived(record.landmarks, camera), camera, number, size, GazeNames())


def mirrored(record, width):
    """The same of the mirrored picture."""
    x1, y1, x2, y2 = record.box
    landmarks = record.landmarks
    if landmarks is not None:
        landmarks = (landmarks * (-1, 1) + (width, 0))[MIRRORED].astype(np.float32)
    gaze = {"yaw": -record.gaze_rad["yaw"], "pitch": record.gaze_rad["pitch"]}
    return replace(record, box=(width - x2, y1, width - x1, y2), landmarks=landmarks, gaze_rad=gaze)


def test_the_arrow_begins_between_the_pupils_and_is_as_long_as_the_face_is_large(seen):
    record = seen(gaze_rad=(np.pi / 2, 0.0))
    face = drawn(record)
    assert face.arrow_px[0] == pytest.approx(record.landmarks[96:98].mean(axis=0))
    assert face.arrow_px[1] - face.arrow_px[0] == pytest.approx((-face.side_px, 0), abs=1e-3)


def test_without_landmarks_it_begins_at_a_third_of_the_box(seen):
    record = replace(seen(has_landmarks=False), box=(100.0, 200.0, 160.0, 290.0))
    assert drawn(record).arrow_px[0] == pytest.approx((130, 230))


def test_a_picture_that_is_the_face_has_no_frame_and_its_arrow_begins_in_its_upper_third(seen):
    face = drawn(replace(seen(has_landmarks=False), box=None), size=(90, 60))
    assert not face.is_framed
    assert face.arrow_px[0] == pytest.approx((45, 20))


@pytest.mark.parametrize("has_landmarks", [True, False])
@pytest.mark.parametrize("gaze", [(0.5, 0.2), (-0.9, -0.4), (0.0, 0.7)])
def test_a_mirrored_picture_gives_the_mirrored_arrow_and_axes(seen, gaze, has_landmarks):
    record = seen(turned_rad=(0.1, 0.4, 0.1), at_mm=(120, -40, 700), gaze_rad=gaze, has_landmarks=has_landmarks)
    face, other = drawn(record), drawn(mirrored(record, SIZE[0]))
    assert other.arrow_px == pytest.approx(face.arrow_px * (-1, 1) + (SIZE[0], 0), abs=1e-2)
    if has_landmarks:  # forward and down are mirrored; the other end of x is
        assert other.axes_px[[0, 2, 3]] == pytest.approx(
            face.axes_px[[0, 2, 3]] * (-1, 1) + (SIZE[0], 0), abs=1
        )


def test_axes_begin_at_the_nose_and_go_right_down_and_to_where_the_head_faces(seen):
    record = seen(turned_rad=(0.0, 0.5, 0.0))  # to the picture's left
    nose, x, y, forward = drawn(record).axes_px
    assert nose == pytest.approx(record.landmarks[54], abs=0.5)
    assert x[0] > nose[0] and y[1] > nose[1] and forward[0] < nose[0]


def test_axes_follow_the_size_of_the_face(seen):
    near, far = (drawn(seen(at_mm=(0, 0, depth))).axes_px for depth in (700.0, 1400.0))
    ratio = np.linalg.norm(near[1] - near[0]) / np.linalg.norm(far[1] - far[0])
    assert ratio == pytest.approx(2, rel=0.1)


def test_landmarks_that_nobody_knows_are_dots_and_unusable_ones_nothing(seen):
    record = seen()
    some = drawn(replace(record, landmarks=record.landmarks[:29]))
    assert some.lines == () and len(some.dots_px) == 29 and not len(some.axes_px)
    none = drawn(replace(record, landmarks=np.full((98, 2), np.nan, np.float32)))
    assert none.lines == () and not len(none.dots_px) and len(none.arrow_px)
    assert not len(drawn(replace(record, gaze_rad={"yaw": np.nan, "pitch": 0.0})).arrow_px)
    assert not drawn(replace(record, box=(np.nan, 0.0, 9.0, 9.0))).is_framed


def test_the_label_says_who_what_and_how_sure_and_has_a_bar_for_each_unit(seen):
    label = drawn(seen(emotion="sad"), number=3).label
    assert label.title == "#3 sad 86%"
    assert [name for name, _ in label.bars] == ["1", "2", "4", "6", "9", "12", "25", "26"]
    assert all(0 <= value <= 1 for _, value in label.bars)


def test_where_nobody_knows_which_angle_is_yaw_there_is_no_arrow(seen):
    record = seen(gaze_rad=(0.3, 0.2))
    face = drawn_face(record, derived(record.landmarks, Camera.of(*SIZE)), None, 0, SIZE, None)
    assert face.arrow_px.shape == (0, 2)
    assert face.dots_px.size
