import cv2
import numpy as np
import pytest

from of3.engines.bundle import InputCard
from of3.runtime.types import Face, Image, PictureError
from of3.runtime.vision.detect import (
    choose,
    decode_boxes,
    decode_points,
    faces,
    nms,
    priors,
    view,
)

CARD = InputCard("image", ("batch", 3, "height", "width"), "BGR", 1.0, (104, 117, 123), (1, 1, 1))


def test_priors_of_a_small_picture_by_hand():
    found = priors(32, 64)
    assert found.shape == (2 * (4 * 8 + 2 * 4 + 1 * 2), 4)
    np.testing.assert_allclose(found[0], [4 / 64, 4 / 32, 16 / 64, 16 / 32])
    np.testing.assert_allclose(found[1], [4 / 64, 4 / 32, 32 / 64, 32 / 32])
    np.testing.assert_allclose(found[2], [12 / 64, 4 / 32, 16 / 64, 16 / 32])
    np.testing.assert_allclose(found[64], [8 / 64, 8 / 32, 64 / 64, 64 / 32])
    np.testing.assert_allclose(found[-1], [48 / 64, 16 / 32, 512 / 64, 512 / 32])


def test_priors_round_the_map_up():
    assert len(priors(33, 35)) == 2 * (5 * 5 + 3 * 3 + 2 * 2)


def test_boxes_are_decoded_by_hand():
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    np.testing.assert_allclose(decode_boxes(np.zeros((1, 4), np.float32), prior), [[0.4, 0.3, 0.6, 0.7]])
    loc = np.array([[1, -1, np.log(2) / 0.2, 0]], np.float32)
    np.testing.assert_allclose(decode_boxes(loc, prior), [[0.32, 0.26, 0.72, 0.66]], rtol=1e-5)


def test_points_are_decoded_by_hand():
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    points = decode_points(np.arange(10, dtype=np.float32)[None], prior)
    np.testing.assert_allclose(points[0, 0], [0.5, 0.5 + 0.04])
    np.testing.assert_allclose(points[0, 4], [0.5 + 0.16, 0.5 + 0.36], rtol=1e-6)


def test_nms_counts_both_border_pixels():
    # 10x10 twice, 4 pixels apart: 60 / (200 - 60) = 0.4286; without the +1 it would be 45/117 = 0.385.
    boxes = np.array([[0, 0, 9, 9], [4, 0, 13, 9]], np.float32)
    scores = np.array([0.8, 0.9], np.float32)
    assert nms(boxes, scores, 0.4) == [1]
    assert nms(boxes, scores, 0.43) == [1, 0]


def test_nms_keeps_best_first_and_drops_only_what_overlaps_a_kept_box():
    boxes = np.array([[0, 0, 9, 9], [3, 0, 12, 9], [6, 0, 15, 9], [50, 50, 59, 59]], np.float32)
    assert nms(boxes, np.array([0.9, 0.8, 0.7, 0.95], np.float32), 0.4) == [3, 0, 2]


def test_nms_of_nothing_is_nothing():
    assert nms(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.4) == []


def planted(height, width, index, score):
    count = len(priors(height, width))
    conf = np.zeros((1, count, 2), np.float32)
    conf[0, index, 1] = score
    zeros = {"loc": np.zeros((1, count, 4), np.float32), "landms": np.zeros((1, count, 10), np.float32)}
    return {"conf": conf, **zeros}


def test_a_face_comes_back_in_original_pixels():
    (whole,) = faces(planted(64, 64, 4, 0.9), 64, 64, 1.0)
    np.testing.assert_allclose(whole.box_px, [12, -4, 28, 12])
    (half,) = faces(planted(64, 64, 4, 0.9), 64, 64, 0.5)
    np.testing.assert_allclose(half.box_px, [24, -8, 56, 24])
    np.testing.assert_allclose(half.points_px, np.tile([40, 8], (5, 1)))


IMAGE = Image("x", np.zeros((64, 64, 3), np.uint8))


def test_a_face_needs_half_a_point():
    assert faces(planted(64, 64, 4, 0.49), 64, 64, 1.0) == []
    found = choose(IMAGE, faces(planted(64, 64, 4, 0.5), 64, 64, 1.0), "score", True)
    assert found.face is not None and (found.face.confidence, found.faces) == (0.5, 1)
    assert choose(IMAGE, [], "score", False).face is None
    with pytest.raises(PictureError, match="no face"):
        choose(IMAGE, [], "larger", True)


@pytest.mark.parametrize(("scores", "want"), [((0.95, 0.9495), (0, 1)), ((0.95, 0.948), (0, 0))])
def test_of_scores_that_are_alike_the_larger_face_is_taken_where_that_is_asked_for(scores, want):
    small, large = (np.array(box, np.float32) for box in ([0, 0, 10, 10], [20, 20, 60, 60]))
    points = np.zeros((5, 2), np.float32)
    found = [Face(small, scores[0], points, 0), Face(large, scores[1], points, 1)]
    chosen = [choose(IMAGE, found, rule, True).face for rule in ("score", "larger")]
    assert tuple(face.rank for face in chosen if face is not None) == want


@pytest.mark.parametrize(("factor", "longer"), [(1.0, 16), (0.5, 16), (4.0, 16)])
def test_a_face_knows_its_size_in_what_was_fed(factor, longer):
    (face,) = faces(planted(64, 64, 4, 0.9), 64, 64, factor)
    assert face.fed_px == pytest.approx(longer)
    assert float(np.ptp(face.box_px[::2])) == pytest.approx(longer / factor)


@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
@pytest.mark.parametrize("name", ["loc", "conf", "landms"])
def test_outputs_that_cannot_be_are_one_pictures_error(name, value):
    outputs = planted(64, 64, 4, 0.9)
    outputs[name][0, -1, 0] = value  # of no face
    with pytest.raises(PictureError, match=f"the network's {name} is not finite or beyond"):
        faces(outputs, 64, 64, 1.0)


@pytest.mark.parametrize("change", [-1, 1])
def test_boxes_of_another_picture_are_one_pictures_error(change):
    outputs = planted(64, 64, 4, 0.9)
    count = outputs["conf"].shape[1] + change
    outputs = {name: np.resize(value, (1, count, value.shape[2])) for name, value in outputs.items()}
    with pytest.raises(PictureError, match=f"gave {count} boxes for 64x64 pixels, want {count - change}"):
        faces(outputs, 64, 64, 1.0)


@pytest.mark.parametrize(("name", "side", "said"), [("loc", 3, "box"), ("landms", 9, "points")])
def test_a_face_that_cannot_be_is_one_pictures_error(name, side, said):
    outputs = planted(64, 64, 4, 0.9)
    outputs[name][0, 4, side] = 1e5
    with pytest.raises(PictureError, match=f"the face's {said} is not finite or beyond 1e\\+06"):
        choose(IMAGE, faces(outputs, 64, 64, 0.1), "score", True)


def test_the_detector_is_fed_bgr_minus_the_means():
    fed = view(Image("x", np.full((5, 7, 3), (104, 120, 120), np.uint8)), CARD, 1.0)
    assert fed.tensor.shape == (3, 5, 7)
    np.testing.assert_array_equal(fed.tensor[:, 0, 0], [0, 3, -3])


@pytest.mark.parametrize(("factor", "size"), [(0.5, (20, 31)), (2.0, (82, 122)), (0.37, (15, 23))])
def test_any_factor_resizes(factor, size):
    fed = view(Image("x", np.zeros((41, 61, 3), np.uint8)), CARD, factor)
    assert fed.tensor.shape[1:] == size or abs(np.subtract(fed.tensor.shape[1:], size)).max() <= 1


def test_a_factor_that_leaves_nothing_is_one_pictures_error():
    with pytest.raises(PictureError, match="leaves nothing of 61x41"):
        view(Image("x", np.zeros((41, 61, 3), np.uint8)), CARD, 0.001)


def test_more_than_the_network_has_memory_for_is_said_with_the_remedy():
    giant = Image("x", np.broadcast_to(np.zeros(3, np.uint8), (8000, 8000, 3)))
    with pytest.raises(PictureError, match=r"8000x8000 pixels .* pass a smaller detector_resize"):
        view(giant, CARD, 1.0)


@pytest.mark.parametrize("factor", [1.0, 0.25, 0.77, 2.0])
def test_what_is_fed_is_opencvs_resizing_of_the_floats_to_the_bit(factor):
    pixels = np.random.default_rng(5).integers(0, 256, (333, 517, 3), np.uint8)
    resized = cv2.resize(pixels.astype(np.float32), None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    want = (resized - np.array([104, 117, 123], np.float32)).transpose(2, 0, 1)
    np.testing.assert_array_equal(view(Image("a", pixels), CARD, factor).tensor, want)


@pytest.mark.parametrize(("factor", "bytes_a_pixel"), [(1.0, 12), (0.25, 7)])
def test_a_large_picture_is_not_copied_as_floats_besides(factor, bytes_a_pixel, peak_bytes):
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    assert peak_bytes(lambda: view(Image("a", pixels), CARD, factor)) < 1.05 * bytes_a_pixel * 12_000_000


def test_decoding_takes_no_memory_for_what_is_no_candidate(peak_bytes):
    outputs = planted(3000, 4000, 4, 0.9)
    assert peak_bytes(lambda: faces(outputs, 3000, 4000, 1.0)) < 12_000_000
