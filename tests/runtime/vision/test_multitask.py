import numpy as np
import pytest

from of3.engines.bundle import Labels
from of3.runtime.types import PictureError, Sample
from of3.runtime.vision.multitask import numbers_of, record_of, softmax

LABELS = Labels(("Neutral", "Happy", "Sad"), (1, 12, 25), ("yaw", "pitch"))

SIZES = {"emotion_logits": 8, "gaze_rad": 2, "au": 8}


def record(labels, au_to_index):
    """Of three emotions, two gaze values and three action units."""
    values = {"emotion_logits": (0.0, 2.0, 1.0), "gaze_rad": (0.1, -0.2), "au": (0.3, 0.6, 0.9)}
    outputs = {name: np.array([value], np.float32) for name, value in values.items()}
    sample = Sample("a.jpg", "", np.zeros((3, 224, 224), np.float32), None, None)
    return record_of(sample, numbers_of(outputs), {}, 0, labels, au_to_index)


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1000, 1000]], np.float32)), [[0.5, 0.5]])


def test_values_get_their_names():
    found = record(LABELS, {1: 0, 12: 1, 25: 2})
    assert found.emotion == "happy"
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert found.probabilities["happy"] == pytest.approx(np.exp(2) / (1 + np.e + np.exp(2)), abs=1e-6)
    assert found.gaze_rad == pytest.approx({"yaw": 0.1, "pitch": -0.2})
    assert found.aus == pytest.approx({1: 0.3, 12: 0.6, 25: 0.9})


def test_gaze_order_is_the_bundles():
    swapped = Labels(LABELS.emotions, LABELS.aus, ("pitch", "yaw"))
    assert record(swapped, {}).gaze_rad == pytest.approx({"pitch": 0.1, "yaw": -0.2})


def test_the_calibrated_map_is_used():
    assert record(LABELS, {1: 2, 12: 0, 25: 1}).aus == pytest.approx({1: 0.9, 12: 0.3, 25: 0.6})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
@pytest.mark.parametrize("name", ["emotion_logits", "gaze_rad", "au"])
def test_a_number_that_cannot_be_is_one_pictures_error(name, value):
    outputs = {part: np.zeros((2, 3), np.float32) for part in ("emotion_logits", "gaze_rad", "au")}
    outputs[name][1, 1] = value
    numbers = numbers_of(outputs)
    assert numbers.raw(0).au.tolist() == [0, 0, 0]
    with pytest.raises(PictureError, match=f"the network's {name} is not finite or beyond"):
        numbers.raw(1)


def test_what_the_networks_made_of_noise_can_be():
    """Measured on pictures without a face: the data dictionary calls it impossible, a row tells it."""
    logits, gaze = np.array([[270, 0, 0]], np.float32), np.array([[-76.8, 0]], np.float32)
    numbers = numbers_of({"emotion_logits": logits, "gaze_rad": gaze, "au": np.ones_like(gaze)})
    assert numbers.raw(0).gaze_rad[0] < -76


def test_each_row_is_what_it_is_alone():
    """To the bit: softmax of all rows at once adds as that of one."""
    chance = np.random.default_rng(0)
    outputs = {name: chance.normal(0, 3, (65, k)).astype(np.float32) for name, k in SIZES.items()}
    together = numbers_of(outputs)
    for row in range(65):
        alone = numbers_of({name: values[row : row + 1] for name, values in outputs.items()})
        assert together.shares[row] == alone.shares[0]
        assert together.presence[row] == outputs["au"][row].tolist()
