"""What the networks made of a picture -> its record: values with names."""

from collections.abc import Mapping

import numpy as np

from of3.engines.bundle import Labels
from of3.runtime.remarks import remarks_of
from of3.runtime.types import Floats, RawValues, Record, Sample
from of3.runtime.vision.detect import corners
from of3.runtime.vision.landmarks import to_points
from of3.runtime.vision.outputs import plausible


def softmax(logits: Floats) -> Floats:
    """(K,) -> (K,), sum 1."""
    exponent: Floats = np.exp(logits - logits.max())
    total: np.float32 = exponent.sum()
    return exponent / total


def row(outputs: Mapping[str, Floats], index: int) -> RawValues:
    """One picture's row of a batch's outputs.  Raises PictureError when a number cannot be."""
    logits, gaze, au = (plausible(name, outputs[name][index]) for name in ("emotion_logits", "gaze_rad", "au"))
    return RawValues(logits, gaze, au)


def record_of(
    sample: Sample,
    outputs: Mapping[str, Floats],
    points: Mapping[str, Floats],
    index: int,
    labels: Labels,
    au_to_index: Mapping[int, int],
) -> Record:
    """outputs, points: of the multitask and the landmark network for a batch, in which this is row `index`.

    The action units are read by the calibrated map AU number -> output.  Raises PictureError as `row` does.
    """
    raw, names = row(outputs, index), [label.lower() for label in labels.emotions]
    probabilities, face, patch = softmax(raw.emotion_logits), sample.face, sample.patch
    gaze_rad = dict(zip(labels.gaze, raw.gaze_rad.tolist(), strict=True))
    return Record(
        source=sample.source,
        emotion=names[int(probabilities.argmax())],
        probabilities=dict(zip(names, probabilities.tolist(), strict=True)),
        gaze_rad=gaze_rad,
        aus={au: float(raw.au[output]) for au, output in au_to_index.items()},
        raw=raw,
        box=None if face is None else corners(face),
        confidence=None if face is None else face.confidence,
        landmarks=None if patch is None else to_points(points["landmarks"][index], patch),
        damage=sample.damage,
        points=None if face is None else face.points_px,
        faces=sample.faces,
        face=0 if face is None else face.rank,
        remarks=tuple(remarks_of(face, gaze_rad, raw.au)),
    )
