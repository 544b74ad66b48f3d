"""Landmarks of a head that is known, seen from a side and in a mirror."""

import numpy as np
import pytest

from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.pose import Camera, HeadPose, projected
from of3.verify.landmarks import ITEMS, landmarks, pose
from of3.verify.mirrored import MirroredPair, swapped

SIZE_PX = 320
TURNED = [(0.1, 0.3, -0.1), (-0.2, -0.4, 0.2), (0.05, 0.2, 0.0), (0.0, 0.0, 0.1)]


def head_mm():
    """98 points whose left half mirrors the right, the mean head's among them."""
    rng = np.random.default_rng(5)
    points = rng.uniform((-60, -60, -20), (60, 60, 20), (98, 3))
    points[list(POINTS)] = FACE_MM
    mirrored = points[swapped()] * (-1, 1, 1)
    return (points + mirrored) / 2


def seen_px(rotation_rad, x_mm=5.0):
    found = HeadPose((x_mm, 0.0, 600.0), rotation_rad, 0.0)
    return projected(head_mm(), found, Camera.of(SIZE_PX, SIZE_PX)).astype(np.float32)


def pair_of(rotation_rad, off_px=0.0, seed=0):
    """A mirror image of a head at x, turned, is the head at -x, turned to the other side."""
    rx, ry, rz = rotation_rad
    mirrored = seen_px((rx, -ry, -rz), -5.0) - np.array([1, 0], np.float32)  # pixels, whose first is at 0
    noise = np.random.default_rng(seed).normal(0, 1, (2, 98, 2)).astype(np.float32) * off_px
    pixels = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    return MirroredPair("face", pixels, seen_px(rotation_rad) + noise[0], mirrored + noise[1])


def pairs_of(off_px=0.0):
    return [pair_of(rotation, off_px, seed) for seed, rotation in enumerate(TURNED)]


def of_landmarks(pairs, is_stand_in=False):
    return landmarks(ITEMS["landmarks"], pairs, is_stand_in)


def of_pose(pairs):
    return pose(ITEMS["head pose"], pairs, is_stand_in=False)


def test_the_mean_head_mirrors_itself_by_the_table():
    order = swapped()
    assert (order[order] == np.arange(98)).all()
    np.testing.assert_allclose(head_mm()[list(POINTS)], FACE_MM, atol=0.5)


def test_the_middle_line_is_its_own():
    middle = [16, 51, 52, 53, 54, 57, 79, 85, 90, 94]
    assert np.flatnonzero(swapped() == np.arange(98)).tolist() == middle


def test_mirrored_landmarks_lie_on_each_other():
    for pair in pairs_of():
        np.testing.assert_allclose(pair.back_px, pair.straight_px, atol=1e-3)


def test_a_head_that_is_seen_rightly_holds():
    assert of_landmarks(pairs_of()).verdict == "holds"
    assert of_pose(pairs_of(1.0)).verdict == "holds"
    assert max(figure.value for figure in of_pose(pairs_of()).figures) < 0.5  # degrees


def test_landmarks_that_no_head_fits_are_found():
    found = of_landmarks(pairs_of(200.0))
    assert found.verdict == "does not hold"
    assert [figure.is_kept for figure in found.figures] == [False, False]


def test_landmarks_in_another_order_are_found():
    """Left for right: each picture's lie on a face, those of its mirror image elsewhere."""
    wrong = [
        MirroredPair(pair.name, pair.pixels, pair.straight_px[swapped()], pair.mirrored_px)
        for pair in pairs_of()
    ]
    assert of_landmarks(wrong).verdict == "does not hold"


def test_a_head_that_turns_the_same_way_in_a_mirror_is_found():
    wrong = [MirroredPair(pair.name, pair.pixels, pair.straight_px, pair.straight_px) for pair in pairs_of()]
    found = of_pose(wrong)
    assert found.verdict == "does not hold"
    assert [figure.of for figure in found.figures if not figure.is_kept] == ["-Ry", "-Rz"]


def test_too_few_heads_decide_nothing():
    assert of_pose(pairs_of()[:2]).verdict == "cannot tell"


@pytest.mark.parametrize("off_px", [0.0, 200.0])
def test_stand_ins_are_drawn_and_not_judged(off_px):
    found = of_landmarks(pairs_of(off_px), is_stand_in=True)
    assert found.verdict == "cannot tell"
    (drawn,) = found.exhibits
    assert [drawing.pixels.max() > 0 for drawing in drawn] == [True] * len(TURNED)


def test_a_thin_picture_is_drawn_a_pixel_high():
    """At the size of a page its height is less than half a pixel."""
    thin = MirroredPair("thin", np.zeros((3, 2000, 3), np.uint8), *[seen_px((0.0, 0.0, 0.0))] * 2)
    (drawn,) = of_landmarks([*pairs_of(), thin]).exhibits
    assert drawn[-1].pixels.shape == (1, 320, 3)
