"""What may be asked of a pipeline, in the words of Python."""

import numpy as np
import pytest

from of3.runtime.runs.watch import Watching
from of3.runtime.settings import Settings, SettingsError
from of3.runtime.tracks.follower import Following
from of3.runtime.types import RunError
from of3.runtime.vision.pose import Camera

RESIZE = "want a number above 0, 1000 at most, or 'auto'"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"device": "gpu"}, "got device='gpu', want one of cpu, cuda"),
        ({"gaze_order": "foo"}, "got gaze_order='foo', want one of seed, measured"),
        ({"precision": "int8"}, "got precision='int8', want one of fp32, fp16, bf16"),
        ({"best_face": 3}, "got best_face=3, want one of score, larger"),
        ({"engine": "onnx"}, "got engine 'onnx', want one of auto, tensorrt, cuda, openvino, cpu, plugin:NAME"),
        ({"engine": "cuda"}, "got engine cuda with device cpu: want device cuda, or engine cpu or openvino"),
        ({"engine": None}, "got engine=None, want a name"),
        ({"detect": "off"}, "got detect='off', want True or False"),
        ({"batch": -1}, "got batch=-1, want a whole number from 0 on"),
        ({"workers": 2.0}, "got workers=2.0, want a whole number from 0 on"),
        ({"cores": True}, "got cores=True, want a whole number from 0 on"),
        ({"max_pixels": 0}, "got max_pixels=0, want a whole number from 1 on"),
        ({"detector_resize": 0}, f"got detector_resize=0, {RESIZE}"),
        (
            {"detector_resize": float("nan")},
            f"got detector_resize=nan, {RESIZE}",
        ),
        (
            {"detector_resize": 1e300},
            f"got detector_resize=1e+300, {RESIZE}",
        ),
        ({"detector_resize": True}, f"got detector_resize=True, {RESIZE}"),
        (
            {"detector_resize": "fit"},
            f"got detector_resize='fit', {RESIZE}",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_when_it_is_asked_for(asked, said):
    with pytest.raises(SettingsError) as refused:
        Settings(**asked)
    assert str(refused.value) == said
    assert isinstance(refused.value, ValueError) and isinstance(refused.value, RunError)


@pytest.mark.parametrize(
    "asked",
    [{"device": np.array([1, 2])}, {"detector_resize": np.array([1.0, 2])}, {"detector_resize": 10**400}],
)
def test_what_is_of_another_kind_is_refused_in_the_same_words(asked):
    with pytest.raises(SettingsError, match=f"got {next(iter(asked))}="):
        Settings(**asked)


WATCHED = [
    *({"every": value} for value in (0, -2, 1.5)),
    *({"fps": value} for value in (0, -1, float("nan"), "5")),
    *({"faces": value} for value in (-1, "all")),
    *({"start_s": value} for value in (-1, "1", float("inf"))),
    {"end_s": float("nan")},
]


@pytest.mark.parametrize("asked", WATCHED, ids=str)
def test_what_cannot_be_watched_is_refused(asked):
    with pytest.raises(SettingsError, match=f"got {next(iter(asked))}="):
        Watching(**asked)


@pytest.mark.parametrize(
    "asked",
    [{"gap_s": -1}, {"smooth_s": float("nan")}, {"smooth_s": True}, {"camera": (1, 2, 3, 4)}],
    ids=str,
)
def test_faces_are_not_followed_as_cannot_be(asked):
    with pytest.raises(SettingsError, match=f"got {next(iter(asked))}="):
        Following(**asked)


@pytest.mark.parametrize(
    "pixels", [(-500, 500, 0, 0), (500, 0, 0, 0), (500, 500, float("inf"), 0), ("5", 5, 0, 0)], ids=str
)
def test_no_camera_is_so(pixels):
    with pytest.raises(SettingsError, match=r"got [fc][xy]_px=.*, want pixels"):
        Camera(*pixels)


@pytest.mark.parametrize(
    "asked",
    [
        {"device": "cuda", "engine": "tensorrt", "precision": "bf16"},
        {"device": "cuda", "engine": "plugin:migraphx"},
        {"device": "cpu", "engine": "openvino"},
        {"engine": "fake"},
        {"detector_resize": "auto"},
        {"detector_resize": np.float32(0.5), "batch": np.int64(4)},
    ],
    ids=str,
)
def test_what_can_be_is_taken(asked):
    assert Settings(**asked)
