import json

import numpy as np
import pytest
import torch
from torch import nn

from of3.export.gaze import gaze_of
from of3.export.mirror import UNDETERMINED, mirror_test, sentence
from of3.export.models import multitask
from of3.export.pictures import draw_face

FACES = [draw_face(seed) for seed in range(12)]


class Planted(nn.Module):
    """Gaze from brightness: left minus right changes sign in a mirror, the overall mean does not."""

    def __init__(self, yaw_channel, bias=0.0):
        super().__init__()
        self.yaw_channel, self.bias = yaw_channel, bias

    def forward(self, image):
        left, right = image[..., :112].mean((1, 2, 3)), image[..., 112:].mean((1, 2, 3))
        yaw, pitch = left - right + self.bias, 0.2 + 0.1 * image.mean((1, 2, 3))
        pair = (yaw, pitch) if self.yaw_channel == 0 else (pitch, yaw)
        return torch.zeros(len(image), 8), torch.stack(pair, dim=1), torch.zeros(len(image), 8)


@pytest.mark.parametrize(("channel", "order"), [(0, "yaw_pitch"), (1, "pitch_yaw")])
def test_a_planted_order_is_found(channel, order):
    found = mirror_test(gaze_of(multitask(), Planted(channel)), FACES)
    assert found.order == order
    assert found.pictures == 12
    assert found.odd_share[channel] == pytest.approx(1, abs=1e-6)
    assert found.odd_share[1 - channel] == pytest.approx(0, abs=1e-6)
    assert found.sign_changes[channel] == 1
    assert order in sentence(found)


def test_a_yaw_with_a_strong_bias_is_not_clear():
    assert mirror_test(gaze_of(multitask(), Planted(0, bias=5.0)), FACES).order == UNDETERMINED


@pytest.mark.parametrize("odd", [(1, 1), (0, 0)], ids=["both change", "none changes"])
def test_two_channels_alike_decide_nothing(odd):
    def gaze(pictures):
        left_less_right = [float(picture[:, :128].mean() - picture[:, 128:].mean()) for picture in pictures]
        return np.array([[value if is_odd else 1.0 for is_odd in odd] for value in left_less_right])

    assert mirror_test(gaze, FACES).order == UNDETERMINED


def test_too_few_faces_decide_nothing():
    found = mirror_test(gaze_of(multitask(), Planted(0)), FACES[:2])
    assert found.order == UNDETERMINED
    assert "fewer than 3" in sentence(found)


def test_the_bundle_keeps_the_figures(bundle_folder):
    document = json.loads((bundle_folder / "bundle.json").read_text())
    found = document["gaze_order"]
    assert found["pictures"] == 11
    assert len(found["odd_share"]) == len(found["sign_changes"]) == 2
    assert document["labels"]["gaze"] == ["yaw", "pitch"]
    measured = [] if found["order"] == UNDETERMINED else found["order"].split("_")
    assert document["labels"]["gaze_measured"] == measured
