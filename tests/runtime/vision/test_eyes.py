import pickle

import numpy as np
import pytest

from of3.runtime.types import PictureError
from of3.runtime.vision.eyes import OPEN, Blinks, Openness, closing, openness

OPEN_EYES = Openness(0.3, 0.3)
BLINK_S = 0.3


def eye(height_px, width_px=40, at=(0, 0)):
    """Eight points: a corner, the upper lid from left to right, the other corner, the lower lid back."""
    half = height_px / 2
    across = width_px * np.array([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25])
    down = np.array([0, -half, -half, -half, 0, half, half, half])
    return np.stack([across, down], axis=1) + at


def face(at_left_px, at_right_px):
    """98 points; the eyes at the picture's left and right are so many pixels high and 40 wide."""
    points = np.zeros((98, 2), np.float32)
    points[60:68], points[68:76] = eye(at_left_px, at=(100, 50)), eye(at_right_px, at=(200, 50))
    return points


def lid(time_s, blinks_s):
    """How open eyes are at a time: they close and open again within 0.3 s from each of the blinks on."""
    shut = max((1 - abs(time_s - start - BLINK_S / 2) / (BLINK_S / 2) for start in blinks_s), default=0)
    return 0.3 * (1 - 0.85 * min(max(1.4 * shut, 0), 1))


def told(frames):
    """(time, eyes) frames -> a list of whether each is a blink."""
    blinks, out = Blinks(), []
    for time_s, eyes in frames:
        blinks = blinks.after(time_s, eyes)
        out.append(blinks.is_blink)
    return out


def runs(flags):
    """How often a blink begins."""
    return sum(now and not before for before, now in zip([False, *flags], flags, strict=False))


def frames_of(times_s, blinks_s, noise=0.0, scale=lambda time_s: 1.0):
    rng = np.random.default_rng(5)
    for time_s in times_s:
        left, right = scale(time_s) * lid(time_s, blinks_s) + rng.normal(0, noise, 2)
        yield float(time_s), Openness(float(left), float(right))


def test_openness_is_height_over_width_and_left_is_the_subjects():
    eyes = openness(face(at_left_px=12, at_right_px=4))
    assert (eyes.right, eyes.left) == pytest.approx((0.3, 0.1))


def test_openness_takes_the_mean_of_three_heights():
    points = face(12, 12)
    points[62, 1] -= 6  # the middle of the right eye's upper lid
    assert openness(points).right == pytest.approx((12 + 18 + 12) / 3 / 40)
    assert openness(points).left == pytest.approx(0.3)


def test_openness_is_the_same_of_a_tilted_and_a_larger_face():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    turned = (3 * face(12, 4) @ turn.T + (17, -5)).astype(np.float32)
    assert openness(turned).right == pytest.approx(0.3, abs=1e-4)
    assert openness(turned).left == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.zeros((98, 2), np.float32), "both corners of an eye are one point"),
        (np.full((98, 2), np.nan, np.float32), "a landmark is not finite"),
        (np.zeros((68, 2), np.float32), r"got landmarks of shape \(68, 2\), want \(98, 2\)"),
    ],
)
def test_points_without_eyes_are_the_pictures_error(points, reason):
    with pytest.raises(PictureError, match=reason):
        openness(points)


def test_closing_is_nothing_of_an_open_eye_and_all_of_a_closed_one():
    assert [closing(eye) for eye in (0.5, OPEN, OPEN / 2, 0.0)] == [0, 0, 0.5, 1]
    assert closing(0.1, reference=0.2) == 0.5


@pytest.mark.parametrize("frames_per_s", [10, 30, 120])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_each_blink_is_told_once(frames_per_s, noise):
    starts_s = [2.03, 5.5, 9.01, 14.2, 14.9, 26.77]
    flags = told(frames_of(np.arange(0, 30, 1 / frames_per_s), starts_s, noise))
    assert runs(flags) == len(starts_s)
    assert sum(flags) / frames_per_s < len(starts_s) * BLINK_S


def test_a_blink_lasts_until_an_eye_is_open_to_three_quarters():
    openings = [0.3] * 30 + [0.19, 0.17, 0.19, 0.22, 0.23, 0.19]
    flags = told([(frame / 30, Openness(opening, opening)) for frame, opening in enumerate(openings)])
    assert flags[30:] == [False, True, True, True, False, False]


def test_blinks_are_told_at_variable_rates():
    steps_s = np.random.default_rng(6).uniform(0.01, 0.12, 600)
    starts_s = np.arange(1.5, 30, 3.1)
    assert runs(told(frames_of(np.cumsum(steps_s), starts_s))) == len(starts_s)


def test_a_wink_is_no_blink():
    times_s = np.arange(0, 10, 1 / 30)
    winks = [(float(time_s), Openness(lid(time_s, [4.0]), 0.3)) for time_s in times_s]
    assert not any(told(winks))
    assert min(eyes.left for _, eyes in winks) < 0.1


def test_eyes_that_narrow_slowly_blink_as_often_as_before():
    starts_s = np.arange(2, 60, 4.0)
    frames = frames_of(np.arange(0, 60, 1 / 30), starts_s, 0.01, scale=lambda time_s: 1 - 0.5 * time_s / 60)
    assert runs(told(frames)) == len(starts_s)


def test_each_eye_has_its_own_reference():
    frames = [(time_s / 30, Openness(0.4, 0.2)) for time_s in range(90)]
    assert not any(told(frames))
    assert told([*frames, (3.0, Openness(0.2, 0.1))])[-1]


def test_the_first_frame_is_judged_by_a_fixed_reference():
    assert told([(0.0, Openness(0.05, 0.05))]) == [True]
    assert told([(0.0, Openness(0.12, 0.12))]) == [False]


def test_a_face_that_comes_with_closed_eyes_opens_them():
    closed = [(frame / 30, Openness(0.05, 0.06)) for frame in range(60)]
    opened = [(frame / 30, OPEN_EYES) for frame in range(60, 90)]
    assert told(closed + opened) == [True] * 60 + [False] * 30


def test_eyes_that_stay_closed_stay_closed():
    awake = [(frame / 30, OPEN_EYES) for frame in range(90)]
    asleep = [(frame / 30, Openness(0.05, 0.05)) for frame in range(90, 990)]
    assert told(awake + asleep) == [False] * 90 + [True] * 900


def test_after_a_gap_the_past_does_not_count():
    wide = [(frame / 30, Openness(0.5, 0.5)) for frame in range(90)]
    assert told([*wide, (3.0, Openness(0.25, 0.25))])[-1]
    assert not told([*wide, (13.5, Openness(0.25, 0.25))])[-1]


def test_what_is_remembered_is_bounded_at_any_rate():
    blinks = Blinks()
    for frame in range(12_000):
        blinks = blinks.after(frame / 1000, OPEN_EYES)
    assert len(blinks.times_s) == len(blinks.lefts) == len(blinks.rights) <= 800
    assert blinks.times_s[0] > 12 - 10.1
    for _ in range(1000):
        blinks = blinks.after(12.0, OPEN_EYES)
    assert len(blinks.times_s) <= 800


def test_a_frame_out_of_order_is_refused():
    with pytest.raises(ValueError, match=r"got a frame of 1.0 s after one of 2.0 s, want them in order"):
        Blinks().after(2.0, OPEN_EYES).after(1.0, OPEN_EYES)


def test_a_state_goes_on_in_another_process():
    before = Blinks().after(0.0, OPEN_EYES)
    again = pickle.loads(pickle.dumps(before))
    assert again.after(0.1, Openness(0.1, 0.1)) == before.after(0.1, Openness(0.1, 0.1))
    assert again.after(0.1, Openness(0.1, 0.1)).is_blink
