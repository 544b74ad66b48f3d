"""Which faces of a picture or frame are drawn, and onto what: pixels with what is known of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from of3.runtime.drawing.face import DrawnFace, drawn_face
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.drawing.paint import paint
from of3.runtime.logs.made import Run, Session, gaze_measured
from of3.runtime.logs.pictures import KnownPicture
from of3.runtime.runs.flags import most_of
from of3.runtime.settings import MAX_PIXELS, Faces
from of3.runtime.tracks.watched import WatchedFrame
from of3.runtime.types import PictureError, Pixels, Record
from of3.runtime.vision.derived import derived
from of3.runtime.vision.pose import Camera

QUALITY = 92  # of JPEGs: letters without fringes
NO_ARROWS = (
    "no gaze arrows: the export's mirror test could not tell which gaze output is yaw "
    "(gaze_measured of bundle.json)"
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a run's pictures are drawn.  gaze: None for no arrow.  faces: of each, as the flag says it.

    max_pixels: of a picture.
    """

    gaze: GazeNames | None
    faces: Faces = "all"
    max_pixels: int = MAX_PIXELS


def drawing_of(run: Run, sessions: Iterable[Session], faces: Faces) -> Drawing:
    """As the run's rows were made.  sessions: that worked on it."""
    most = run.identity.get("flags", {}).get("max_pixels", MAX_PIXELS)
    return Drawing(GazeNames.of(run.names.gaze, gaze_measured(sessions)), faces, most)


def draw_picture(pixels: Pixels, known: KnownPicture, drawing: Drawing) -> None:
    """Onto its own pixels.  Heads have the pose by the camera that the picture's size suggests."""
    size = pixels.shape[1], pixels.shape[0]
    camera = Camera.of(*size)
    faces = [
        drawn_face(record, derived(record.landmarks, camera), camera, record.face, size, drawing.gaze)
        for record in _wanted(known, drawing.faces)
    ]
    paint(pixels, faces, "" if known.failure is None or faces else known.failure.reason)


def _wanted(known: KnownPicture, faces: Faces) -> list[Record]:
    if faces == "best":
        return [record for record in known.faces if record.face == known.taken]
    return [record for record in known.faces if _is_among(record, faces)]


def _is_among(record: Record, faces: Faces) -> bool:
    return faces == "all" or record.face < most_of(faces)


def draw_frame(pixels: Pixels, frame: WatchedFrame, drawing: Drawing) -> None:
    """Onto its own pixels."""
    size = pixels.shape[1], pixels.shape[0]
    faces: list[DrawnFace] = [
        drawn_face(face.record, face.found, face.camera, face.face_id, size, drawing.gaze)
        for face in frame.faces
        if _is_among(face.record, drawing.faces)
    ]
    paint(pixels, faces, "" if frame.failure is None else frame.failure.reason)


def as_jpeg(pixels: Pixels) -> bytes:
    """Raises PictureError: no JPEG is so wide or high."""
    try:
        is_done, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    except cv2.error as error:
        raise PictureError(f"not to be written as a JPEG: {error.err}") from error
    if not is_done:
        raise PictureError(f"not to be written as a JPEG: {pixels.shape[1]} x {pixels.shape[0]}")
    return np.asarray(content, np.uint8).tobytes()
