"""How open eyes are, and when they blink.

Left and right are the subject's: who looks into the camera has the right eye at the left of the picture.
"""

from dataclasses import dataclass, field

import numpy as np

from of3.runtime.types import Floats, PictureError
from of3.runtime.vision.canonical_face import WFLW_POINTS
from of3.runtime.vision.outputs import MOST_PX, within

# WFLW's eight points of an eye run round it from one corner: upper lid, other corner, lower lid.
RIGHT_EYE = slice(60, 68)
LEFT_EYE = slice(68, 76)

# Of an open eye: three faces annotated in WFLW's way have .16 (eyes cast down), .34 and .38.
OPEN = 0.3
CLOSED_SHARE = 0.6  # of the reference: halfway to a closed eye, which keeps some .2 of it
OPEN_SHARE = 0.75  # at the end of a blink, so that noise does not make two of it
# No less is taken for an open eye's, so that a face that comes with closed eyes, or sleeps, has them closed.
LEAST_OPEN = 0.15
WINDOW_S = 10.0  # a blink takes .1 to .4 s, some twenty come in a minute: the median is an open eye's
STEP_S = 0.0125  # at least, between frames that are remembered: 800 of them, all at 60 frames/s


@dataclass(frozen=True, slots=True)
class Openness:
    """Eye aspect ratios: heights over widths, about 0.3 of an open eye and below 0.1 of a closed one."""

    left: float
    right: float


def openness(landmarks_px: Floats) -> Openness:
    """(98,2) landmarks in WFLW order, in pixels -> how open both eyes are.

    The mean of the distances 61-67, 62-66 and 63-65 over that of 60-64 for the right eye, of 69-75, 70-74 and
    71-73 over 68-72 for the left: the eye aspect ratio of Soukupova and Cech (2016), who have two such pairs.
    Raises PictureError: there are not 98 points, or they are not finite, or an eye has no width.
    """
    if landmarks_px.shape != (WFLW_POINTS, 2):
        raise PictureError(f"eyes: got landmarks of shape {landmarks_px.shape}, want ({WFLW_POINTS}, 2)")
    points = within(MOST_PX, "eyes: a landmark", landmarks_px)
    return Openness(_aspect_ratio(points[LEFT_EYE]), _aspect_ratio(points[RIGHT_EYE]))


def closing(eye: float, reference: float = OPEN) -> float:
    """How far an eye of this openness is closed, [0, 1]: 0 from the reference on, 1 where its lids meet.

    A picture alone has nothing to compare with: the reference is a mean open eye's, nobody's own.
    """
    return min(max(1 - eye / reference, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Blinks:
    """What is remembered of one person's eyes, and whether the last frame shows them in a blink.

    A blink begins where each eye is open to less than 0.6 of its own median over the last 10 s, this frame's
    among them, or of 0.15 where the median is less; it ends where one of them is open to 0.75 of that.  One eye
    alone is a wink and no blink.
    """

    is_blink: bool = False
    times_s: tuple[float, ...] = field(default=(), repr=False)
    lefts: tuple[float, ...] = field(default=(), repr=False)
    rights: tuple[float, ...] = field(default=(), repr=False)

    def after(self, time_s: float, eyes: Openness) -> "Blinks":
        """With one frame more.  Raises ValueError where its time lies before the last one's."""
        last_s = self.times_s[-1] if self.times_s else -np.inf
        if time_s < last_s:
            raise ValueError(
                f"got a frame of {time_s} s after one of {last_s} s, want them in order: sort them"
            )
        first = int(np.searchsorted(self.times_s, time_s - WINDOW_S, side="right"))
        lefts, rights = (*self.lefts[first:], eyes.left), (*self.rights[first:], eyes.right)
        share = OPEN_SHARE if self.is_blink else CLOSED_SHARE
        is_blink = _share_open(lefts) < share and _share_open(rights) < share
        if time_s - last_s < STEP_S:
            return Blinks(is_blink, self.times_s, self.lefts, self.rights)
        return Blinks(is_blink, (*self.times_s[first:], time_s), lefts, rights)


def _share_open(openings: tuple[float, ...]) -> float:
    """How open one eye is in the last frame, as a share of what it is when it is open."""
    return openings[-1] / max(float(np.median(openings)), LEAST_OPEN)


def _aspect_ratio(eye: Floats) -> float:
    """(8,2) points round an eye from a corner -> its mean height over its width."""
    width_px = float(np.linalg.norm(eye[4] - eye[0]))
    if width_px == 0:
        raise PictureError("eyes: both corners of an eye are one point")
    heights_px = np.linalg.norm(eye[1:4] - eye[:4:-1], axis=1)
    return float(heights_px.mean()) / width_px
