"""The multitask network's arrays -> values with names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from of3.engines.bundle import Labels
from of3.runtime.types import Floats, PictureError, RawValues


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A face's expression and gaze.  Units and ranges as in `Record`."""

    emotion: str
    probabilities: Mapping[str, float]
    gaze_rad: Mapping[str, float]
    aus: Mapping[int, float]
    raw: RawValues


def softmax(logits: Floats) -> Floats:
    """(K,) -> (K,), sum 1."""
    exponent: Floats = np.exp(logits - logits.max())
    total: np.float32 = exponent.sum()
    return exponent / total


def row(outputs: Mapping[str, Floats], index: int) -> RawValues:
    """One picture's row of a batch's outputs.  Raises PictureError when a number is not finite."""
    values = RawValues(outputs["emotion_logits"][index], outputs["gaze_rad"][index], outputs["au"][index])
    if not all(np.isfinite(part).all() for part in (values.emotion_logits, values.gaze_rad, values.au)):
        raise PictureError("the network's output is not finite")
    return values


def estimate(raw: RawValues, labels: Labels, au_to_index: Mapping[int, int]) -> Estimate:
    """Raw values, with the action units read by the calibrated map AU number -> output index."""
    probabilities = softmax(raw.emotion_logits)
    names = [label.lower() for label in labels.emotions]
    return Estimate(
        emotion=names[int(probabilities.argmax())],
        probabilities=dict(zip(names, probabilities.tolist(), strict=True)),
        gaze_rad=dict(zip(labels.gaze, raw.gaze_rad.tolist(), strict=True)),
        aus={au: float(raw.au[index]) for au, index in au_to_index.items()},
        raw=raw,
    )
