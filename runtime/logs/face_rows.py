"""A face's row, as the tables of every face have it: of pictures and of videos.

Head pose and eyes follow from a face's landmarks: they are no records, but made when a row is.
"""

from of3.runtime.logs.columns import EMOTIONS, FACE, SUCCESS, UNITS, Value, face_columns
from of3.runtime.types import Floats, Record
from of3.runtime.vision.derived import Derived
from of3.runtime.vision.pose import HeadPose


def face_row(
    record: Record, found: Derived, face_id: int, points: int, blink: bool | None = None
) -> list[Value]:
    """As `columns.face_columns`.  blink: None where nobody could tell, as of a picture alone."""
    return [
        face_id,
        record.confidence,
        True,
        *_box(record),
        *(record.gaze_rad[name] for name in ("yaw", "pitch")),
        *_pose(found.pose),
        record.emotion,
        *(record.probabilities.get(label) for label in EMOTIONS),
        *(record.aus.get(unit) for unit in UNITS),
        *((None, None) if found.eyes is None else (found.eyes.left, found.eyes.right)),
        blink,
        *_landmarks(record.landmarks, points),
    ]


def no_face_row(points: int) -> list[Value]:
    """Of a picture or frame without a face."""
    row: list[Value] = [None] * len(face_columns(points))
    row[FACE.index(SUCCESS)] = False
    return row


def _box(record: Record) -> tuple[float | None, ...]:
    if record.box is None:
        return (None,) * 4
    x1, y1, x2, y2 = record.box
    return x1, y1, x2 - x1, y2 - y1


def _pose(pose: HeadPose | None) -> tuple[float | None, ...]:
    if pose is None:
        return (None,) * 7
    return *pose.translation_mm, *pose.rotation_rad, pose.error_px


def _landmarks(landmarks: Floats | None, points: int) -> list[float | None]:
    if landmarks is None or len(landmarks) != points:
        return [None] * (2 * points)
    return [*landmarks.T.ravel().tolist()]
