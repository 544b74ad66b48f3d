"""A face's row, as the tables of every face have it: of pictures and of videos.

Head pose and eyes follow from a face's landmarks: they are no records, but made when a row is.
"""

from of3.runtime.types import Floats, Record
from of3.runtime.vision.derived import Derived
from of3.runtime.vision.pose import Camera, HeadPose

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
# fmt: off
FACE_COLUMNS = (
    "face_id", "confidence", "success", "box_x", "box_y", "box_w", "box_h", "gaze_yaw", "gaze_pitch",
    "pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz", "pose_error_px", "emotion",
    *(f"emotion_{label}" for label in EMOTIONS), *(f"AU{unit:02d}" for unit in UNITS),
    "eye_open_left", "eye_open_right", "blink",
)
# fmt: on


def face_columns(points: int) -> tuple[str, ...]:
    """points: landmarks of a face, 0 where they do not run."""
    return (*FACE_COLUMNS, *(f"{axis}_{number}" for axis in "xy" for number in range(points)))


def camera_of(record: Record) -> Camera | None:
    """The one that its picture's size suggests; None where nobody knows that."""
    return None if record.size_px is None else Camera.of(*record.size_px)


def face_cells(
    record: Record, found: Derived, face_id: int, points: int, blink: bool | None = None
) -> list[str]:
    """As `face_columns`.  blink: None where nobody could tell, as of a picture alone."""
    return [
        str(face_id),
        _cell(record.confidence, 4),
        "1",
        *_box_cells(record),
        *(_cell(record.gaze_rad[name], 4) for name in ("yaw", "pitch")),
        *_pose_cells(found.pose),
        record.emotion,
        *(_cell(record.probabilities.get(label), 4) for label in EMOTIONS),
        *(_cell(record.aus.get(unit), 4) for unit in UNITS),
        *([""] * 2 if found.eyes is None else [_cell(found.eyes.left, 4), _cell(found.eyes.right, 4)]),
        "" if blink is None else str(int(blink)),
        *_landmark_cells(record.landmarks, points),
    ]


def no_face_cells(points: int) -> list[str]:
    """Of a picture or frame without a face."""
    return ["0" if name == "success" else "" for name in face_columns(points)]


def _box_cells(record: Record) -> list[str]:
    if record.box is None:
        return [""] * 4
    x1, y1, x2, y2 = record.box
    return [_cell(length, 2) for length in (x1, y1, x2 - x1, y2 - y1)]


def _pose_cells(pose: HeadPose | None) -> list[str]:
    if pose is None:
        return [""] * 7
    lengths, angles = pose.translation_mm, pose.rotation_rad
    return [
        *(_cell(each, 2) for each in lengths),
        *(_cell(each, 4) for each in angles),
        _cell(pose.error_px, 2),
    ]


def _landmark_cells(landmarks: Floats | None, points: int) -> list[str]:
    if landmarks is None or len(landmarks) != points:
        return [""] * (2 * points)
    return [_cell(place, 2) for axis in landmarks.T.tolist() for place in axis]


def _cell(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
