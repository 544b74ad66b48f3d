"""Whether landmarks lie on faces: a head fits them, and those of a mirror image; drawn to be looked at."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from of3.engines.bundle import BundleError
from of3.runtime.bundle import points_of
from of3.runtime.drawing.contours import WFLW, lines_of
from of3.runtime.pages.picture import scaled
from of3.runtime.types import Floats, PictureError, Pixels
from of3.runtime.vision.pose import MOST_ERROR, Camera, HeadPose, head_pose
from of3.verify.finding import Drawing, Figure, Finding, beyond
from of3.verify.fp32 import Fp32
from of3.verify.mirrored import POINTS, MirroredPair, pairs
from of3.verify.subject import Subject

ON_FACES, HEAD = "landmarks", "head pose"
ITEMS = {ON_FACES: "on faces and their mirror images", HEAD: "of mirrored pairs"}
FEWEST_FACES = 3  # medians over fewer say little
# Twice the error that STAR's authors report on WFLW (4.02 % of the eye corners' distance, arXiv 2306.02763): a
# picture and its mirror image may each be off by it, to the two sides.
MOST_APART = 0.08
# Landmarks of the mean head that scatter by that error put the angles of a pair 3.1, 3.0 and 1.5 degrees apart
# in the median, 7.5 at the 90th percentile (300 simulated pairs, turned by up to 23 degrees).
MOST_DEGREES = 7.5
DRAWN_PX = 320
GREEN = (80, 220, 80)  # BGR
OFF = "off the mirror image's, median"
Rotation = tuple[float, float, float]  # Rx, Ry, Rz in rad
LOOK = "look at the drawings; compare the weights' digest with the published one, export again"
MORE = f"pass --faces FOLDER with {FEWEST_FACES} faces or more"


def findings(subject: Subject, fp32: Fp32) -> Iterator[Finding]:
    """Of the landmarks, and of the head pose that follows from them."""
    if reason := _untold(subject):
        yield from (Finding(check, item, "cannot tell", *reason) for check, item in ITEMS.items())
        return
    try:
        found = list(pairs(subject.faces, fp32))
    except PictureError as error:
        yield Finding(ON_FACES, ITEMS[ON_FACES], "does not hold", str(error), LOOK)
        return
    except BundleError as error:
        yield from (Finding(check, item, "cannot tell", f"refused: {error}") for check, item in ITEMS.items())
        return
    for check, item in ITEMS.items():
        yield (landmarks if check == ON_FACES else pose)(item, found, subject.is_stand_in)


def _untold(subject: Subject) -> tuple[str, str] | None:
    """Why nothing can be said, and what to do."""
    points = points_of(subject.bundle)
    if points != POINTS:
        what = (
            f"{points} points, which are not compared here" if points else "no landmark network in the bundle"
        )
        return what, "export Landmark_98.pkl"
    if len(subject.faces) < FEWEST_FACES:
        return f"{len(subject.faces)} faces below images/", MORE
    return None


def landmarks(item: str, found: Sequence[MirroredPair], is_stand_in: bool) -> Finding:
    """Holds where a head fits most faces' landmarks and those of mirror images lie on them."""
    fitting = sum(_pose(pair.straight_px, pair.pixels) is not None for pair in found) / len(found)
    apart = float(np.median(np.concatenate([pair.apart for pair in found])))
    figures = [
        Figure(
            "faces", f"error of a head below {MOST_ERROR:g} of their spread", fitting, "share", at_least=0.5
        ),
        Figure("landmarks", OFF, apart, "of the eyes' distance", at_most=MOST_APART),
    ]
    drawn = [
        Drawing(pair.name, _drawn(pair), f"{np.median(pair.apart):.1%} off its mirror image") for pair in found
    ]
    return _finding(ON_FACES, item, figures, [drawn], is_stand_in)


def pose(item: str, found: Sequence[MirroredPair], is_stand_in: bool) -> Finding:
    """Holds where in mirror images yaw and roll have changed their sign, and pitch has not."""
    poses = [(_pose(pair.straight_px, pair.pixels), _pose(pair.mirrored_px, pair.pixels)) for pair in found]
    turned = [(a.rotation_rad, b.rotation_rad) for a, b in poses if a is not None and b is not None]
    if len(turned) < FEWEST_FACES:
        said = f"a head fits {len(turned)} of {len(found)} mirrored pairs"
        return Finding(HEAD, item, "cannot tell", said, MORE)
    off = np.degrees(np.median([_off(a, b) for a, b in turned], axis=0)).tolist()
    figures = [
        Figure(name, OFF, degrees, "degrees", at_most=MOST_DEGREES)
        for name, degrees in zip(("Rx", "-Ry", "-Rz"), off, strict=True)
    ]
    return _finding(HEAD, item, figures, [], is_stand_in)


def _off(straight: Rotation, mirrored: Rotation) -> tuple[float, float, float]:
    """By axis, in rad: a mirror turns yaw and roll round."""
    return (
        abs(straight[0] - mirrored[0]),
        abs(straight[1] + mirrored[1]),
        abs(straight[2] + mirrored[2]),
    )


def _finding(
    check: str, item: str, figures: Sequence[Figure], exhibits: Sequence[Sequence[Drawing]], is_stand_in: bool
) -> Finding:
    if is_stand_in:
        said, remedy = "stand-in weights know no faces", "export the published weights"
        return Finding(check, item, "cannot tell", said, remedy, figures, exhibits)
    if off := beyond(figures):
        return Finding(check, item, "does not hold", off, LOOK, figures, exhibits)
    return Finding(check, item, "holds", "within what landmarks scatter by", "", figures, exhibits)


def _pose(landmarks_px: Floats, pixels: Pixels) -> HeadPose | None:
    height, width = pixels.shape[:2]
    try:
        return head_pose(landmarks_px, Camera.of(width, height))
    except PictureError:
        return None


def _drawn(pair: MirroredPair) -> Pixels:
    """The picture, of a size for a page, with the landmarks as the contours that they should be."""
    made = scaled(pair.pixels, DRAWN_PX)
    landmarks_px = pair.straight_px * np.float32(DRAWN_PX / max(pair.pixels.shape[:2]))
    for line in lines_of(landmarks_px, WFLW):
        points = np.rint(line.points_px).astype(np.int32)
        cv2.polylines(made, [points], line.is_closed, GREEN, 1, cv2.LINE_AA)
    for x, y in landmarks_px[list(WFLW.dots)].tolist():
        cv2.circle(made, (round(x), round(y)), 3, GREEN, -1, cv2.LINE_AA)
    return made
