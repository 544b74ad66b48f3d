"""What may be asked of a pipeline, in the words of Python."""

import numpy as np
import pytest

from of3.runtime.settings import Settings, SettingsError
from of3.runtime.types import RunError


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
        ({"detector_resize": 0}, "got detector_resize=0, want a number above 0, or 'auto'"),
        ({"detector_resize": float("nan")}, "got detector_resize=nan, want a number above 0, or 'auto'"),
        ({"detector_resize": "fit"}, "got detector_resize='fit', want a number above 0, or 'auto'"),
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
