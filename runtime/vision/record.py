"""What the networks made of a picture -> its record."""

from collections.abc import Mapping

from of3.engines.bundle import Labels
from of3.runtime.types import Floats, Record, Sample
from of3.runtime.vision.detect import corners
from of3.runtime.vision.landmarks import to_points
from of3.runtime.vision.multitask import estimate, row


def record_of(
    sample: Sample,
    outputs: Mapping[str, Floats],
    points: Mapping[str, Floats],
    index: int,
    labels: Labels,
    au_to_index: Mapping[int, int],
) -> Record:
    """outputs, points: of the multitask and the landmark network for a batch, in which this is row `index`.

    Raises PictureError: a number is not finite.
    """
    found = estimate(row(outputs, index), labels, au_to_index)
    face, patch = sample.face, sample.patch
    return Record(
        source=sample.source,
        emotion=found.emotion,
        probabilities=found.probabilities,
        gaze_rad=found.gaze_rad,
        aus=found.aus,
        raw=found.raw,
        box=None if face is None else corners(face),
        confidence=None if face is None else face.confidence,
        landmarks=None if patch is None else to_points(points["landmarks"][index], patch),
        damage=sample.damage,
    )
