"""What a reader of a picture's numbers should know of it: words that records, counts and errors.tsv share."""

import math
from collections.abc import Iterator, Sequence

from of3.runtime.types import Face, Floats

LARGE = "large"  # the face in what the detector was fed: its box is likely wrong, whatever the confidence says
TILTED = "tilted"  # the head: it was analysed as if it were upright
IMPLAUSIBLE = "implausible"  # numbers that no face has
CUT = "cut"  # of a video's frame: another scene begins with it
REMARKS = (LARGE, TILTED, IMPLAUSIBLE)

# Boxes of one face, enlarged step by step, leave the true one from here on (docs/reference/data.md: a table).
LARGE_PX = 450.0
TILTED_DEG = 45.0
# Nobody's eyes look backwards; the network's output is bounded by nothing.
MOST_GAZE_RAD = math.pi / 2
AU_ROUNDING = 0.01  # beyond [0, 1], of a cosine in few bits


def remarks_of(face: Face | None, gaze_rad: Sequence[float], au: Sequence[float]) -> Iterator[str]:
    """What there is to remark of a face (None: the whole picture) and its numbers."""
    if face is not None and face.fed_px > LARGE_PX:
        yield LARGE
    if face is not None and abs(roll_deg(face.points_px)) > TILTED_DEG:
        yield TILTED
    is_gaze = all(abs(angle) <= MOST_GAZE_RAD for angle in gaze_rad)
    if not is_gaze or not -AU_ROUNDING <= min(au) <= max(au) <= 1 + AU_ROUNDING:
        yield IMPLAUSIBLE


def roll_deg(points: Floats) -> float:
    """(5,2) eyes, nose, mouth corners -> how far the face is turned clockwise from upright, (-180, 180].

    By the way from between the eyes to between the mouth's corners, which a turned head does not shorten.
    """
    right, down = (points[3:].mean(axis=0) - points[:2].mean(axis=0)).tolist()
    return math.degrees(math.atan2(-right, down))
