import hashlib

import numpy as np
import pytest

from of3.runtime.vision import canonical_face
from of3.runtime.vision.canonical_face import FACE_MM, POINTS

AT = dict(zip(POINTS, FACE_MM, strict=True))


def test_the_face_is_the_same_from_left_and_right():
    pairs = [(55, 59), (56, 58), (60, 72), (64, 68)]
    for left, right in pairs:
        np.testing.assert_array_equal(AT[left] * (-1, 1, 1), AT[right])
    for point in set(POINTS) - {point for pair in pairs for point in pair}:
        assert AT[point][0] == 0


def test_the_vertices_are_those_of_the_file():
    lines = "".join("v {:.6f} {:.6f} {:.6f}\n".format(*at) for at in FACE_MM / (10, -10, -10))
    assert hashlib.sha256(lines.encode()).hexdigest() in canonical_face.__doc__


def test_it_is_in_mm_and_in_the_cameras_axes():
    assert AT[72][0] - AT[60][0] == pytest.approx(88.9, abs=0.1)  # outer corners of the eyes; 60 is at the left
    down, away = AT[57][1] - AT[51][1], AT[54][2] - AT[60][2]
    assert 45 < down < 60
    assert -50 < away < -40  # the nose's tip is nearer to the camera than the eyes


def test_it_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        FACE_MM[0, 0] = 1
