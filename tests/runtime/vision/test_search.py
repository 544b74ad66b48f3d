import cv2
import numpy as np
import pytest

from of3.engines.bundle import InputCard
from of3.runtime.types import Face, Image, PictureError
from of3.runtime.vision.detect import MAX_FED_PIXELS
from of3.runtime.vision.search import factors, fed_pixels, inside, merged, scene

CARD = InputCard("image", ("batch", 3, "height", "width"), "BGR", 1.0, (104, 117, 123), (1, 1, 1))


def face(x, y, side, confidence=0.9, factor=1.0):
    """Of a square box, as a view of this factor shows it."""
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, confidence, np.zeros((5, 2), np.float32), 0, side * factor)


@pytest.mark.parametrize(
    ("size", "want"),
    [
        ((224, 224), [1]),
        ((400, 300), [1]),
        ((562, 572), [1, 1 / 4]),
        ((720, 1280), [1, 1 / 4]),
        ((1080, 1920), [1, 1 / 4, 1 / 16]),
        ((4000, 3), [1]),
    ],
)
def test_a_picture_is_quartered_until_no_face_in_it_can_be_too_large(size, want):
    assert factors(*size) == want


def test_a_picture_beyond_what_the_detector_takes_begins_smaller():
    first = factors(10_000, 10_000)[0]
    assert 10_000**2 * first**2 == pytest.approx(MAX_FED_PIXELS)


@pytest.mark.parametrize("size", [(224, 224), (720, 1280), (3000, 4000), (9000, 9000)])
def test_views_cost_what_is_reckoned_with(size):
    fed = sum(factor**2 for factor in factors(*size)) * size[0] * size[1]
    assert fed <= fed_pixels(size[0] * size[1], "auto") * (1 + 1e-9)
    assert fed_pixels(100, 0.5) == 25


def test_a_given_factor_is_the_only_view_and_one_too_many_pixels_are_refused():
    (view,) = scene(Image("x", np.zeros((600, 800, 3), np.uint8)), CARD, 0.5).views
    assert (view.factor, view.tensor.shape) == (0.5, (3, 300, 400))
    giant = Image("x", np.broadcast_to(np.zeros(3, np.uint8), (8000, 8000, 3)))
    with pytest.raises(PictureError, match="pass a smaller detector_resize"):
        scene(giant, CARD, 1.0)


def test_a_coarse_view_is_the_mean_of_what_becomes_a_pixel():
    pixels = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
    fine, coarse = scene(Image("x", pixels), CARD, "auto").views
    assert (fine.factor, coarse.factor) == (1.0, 0.25)
    means = pixels.reshape(120, 4, 160, 4, 3).mean(axis=(1, 3)) - np.array([104, 117, 123])
    np.testing.assert_allclose(coarse.tensor, means.transpose(2, 0, 1), atol=0.51)
    np.testing.assert_array_equal(fine.tensor[0], pixels[..., 0].astype(np.float32) - 104)
    half = cv2.resize(pixels, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_LINEAR) - np.array(
        [104, 117, 123]
    )
    assert np.abs(coarse.tensor - half.transpose(2, 0, 1)).max() > 20, "both filters do: the test shows nothing"


def test_faces_of_one_view_stay_as_they_are():
    found = [face(0, 0, 900, 0.9), face(10, 10, 20, 0.8)]
    assert [(one.confidence, one.rank) for one in merged([found])] == [(0.9, 0), (0.8, 1)]


def test_each_size_is_taken_from_the_view_that_sees_it_right():
    fine = [face(0, 0, 900), face(2000, 0, 100, 0.7), face(2500, 0, 390, 0.6)]
    coarse = [face(0, 0, 1000, 0.8, 0.25), face(2000, 0, 110, 0.99, 0.25), face(2500, 0, 360, 0.95, 0.25)]
    found = merged([fine, coarse])
    assert [one.confidence for one in found] == [0.95, 0.8, 0.7]
    assert [one.rank for one in found] == [0, 1, 2]
    assert [float(np.ptp(one.box_px[::2])) for one in found] == [360, 1000, 100]


def test_a_part_of_a_large_face_is_no_face_but_its_neighbour_is():
    large = face(0, 0, 1000, 0.9, 0.25)
    eye, beside = face(200, 200, 150, 0.95), face(950, 200, 150, 0.8)
    assert [one.confidence for one in merged([[eye, beside], [large]])] == [0.9, 0.8]


def test_the_share_of_a_box_inside_another_by_hand():
    assert inside(face(0, 0, 10), face(5, 0, 100)) == 0.5
    assert inside(face(0, 0, 10), face(20, 0, 10)) == 0
    assert inside(face(2, 2, 4), face(0, 0, 10)) == 1
    assert inside(face(2, 2, 0), face(0, 0, 10)) == 0
