"""What the networks made of pictures -> their records: values with names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from of3.engines.bundle import Labels
from of3.runtime.remarks import remarks_of
from of3.runtime.types import Floats, PictureError, RawValues, Record, Sample
from of3.runtime.vision.detect import corners
from of3.runtime.vision.landmarks import to_points
from of3.runtime.vision.outputs import implausible

NONE = np.empty((0, 1), np.float32)


def softmax(logits: Floats) -> Floats:
    """(N,K) -> (N,K), each row's sum 1."""
    exponent: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    total: Floats = exponent.sum(axis=1, keepdims=True)
    return exponent / total


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The multitask network's outputs for a batch, a row a face, and what follows from all rows at once.

    Lists beside the arrays: numbers one by one are read from them in a tenth of the time.
    """

    logits: Floats  # (N,8)
    gaze_rad: Floats  # (N,2)
    au: Floats  # (N,8)
    shares: list[list[float]]  # softmax of the logits
    angles_rad: list[list[float]]
    presence: list[list[float]]
    faults: Mapping[int, str]  # rows whose numbers cannot be, and why

    def raw(self, row: int) -> RawValues:
        """One face's.  Raises PictureError when a number cannot be."""
        if row in self.faults:
            raise PictureError(self.faults[row])
        return RawValues(self.logits[row], self.gaze_rad[row], self.au[row])


def numbers_of(outputs: Mapping[str, Floats]) -> Numbers:
    """Outputs by name, (N, ...) each; none where the batch had no face."""
    logits, gaze_rad, au = (outputs.get(name, NONE) for name in ("emotion_logits", "gaze_rad", "au"))
    faults: dict[int, str] = {}
    for name, values in (("au", au), ("gaze_rad", gaze_rad), ("emotion_logits", logits)):  # the last is told
        faults |= implausible(name, values)
    with np.errstate(invalid="ignore", over="ignore"):  # rows of which nothing but the fault is used
        shares = softmax(logits)
    return Numbers(logits, gaze_rad, au, shares.tolist(), gaze_rad.tolist(), au.tolist(), faults)


def record_of(
    sample: Sample,
    numbers: Numbers,
    points: Mapping[str, Floats],
    row: int,
    labels: Labels,
    au_to_index: Mapping[int, int],
) -> Record:
    """points: outputs of the landmark network for the same batch, in which this is a row.

    The action units are read by the calibrated map AU number -> output.  Raises PictureError when a number
    cannot be.
    """
    raw, shares, presence = numbers.raw(row), numbers.shares[row], numbers.presence[row]
    probabilities = {label.lower(): share for label, share in zip(labels.emotions, shares, strict=True)}
    gaze_rad = dict(zip(labels.gaze, numbers.angles_rad[row], strict=True))
    face, patch = sample.face, sample.patch
    return Record(
        source=sample.source,
        emotion=labels.emotions[shares.index(max(shares))].lower(),
        probabilities=probabilities,
        gaze_rad=gaze_rad,
        aus={au: presence[output] for au, output in au_to_index.items()},
        raw=raw,
        box=None if face is None else corners(face),
        confidence=None if face is None else face.confidence,
        landmarks=None if patch is None else to_points(points["landmarks"][row], patch),
        damage=sample.damage,
        points=None if face is None else face.points_px,
        faces=sample.faces,
        face=0 if face is None else face.rank,
        remarks=tuple(remarks_of(face, numbers.angles_rad[row], presence)),
        size_px=sample.size_px,
    )
