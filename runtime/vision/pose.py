"""Where a head is and how it is turned, from its landmarks: perspective-n-point on a mean head.

Axes and signs are OpenFace 2.2's: the camera's coordinates, x to the right of the picture, y down, z away;
R = Rx(pitch) Ry(yaw) Rz(roll).  At Rx > 0 the head looks down, at Ry > 0 to the picture's left (its own right),
at Rz > 0 it is tilted clockwise in the picture.
"""

import math
import sys
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from of3.runtime.settings import check, is_number
from of3.runtime.types import Floats, PictureError
from of3.runtime.vision.canonical_face import FACE_MM, POINTS, WFLW_POINTS
from of3.runtime.vision.outputs import MOST_PX, within

MOST = sys.float_info.max  # no infinity
Matrix = NDArray[np.float64]

LEAST_SPREAD_PX = 1.0  # of the points: a face of about 5 px
# Error over spread: .08 to .12 on three annotated faces, at most .43 on heads whose points lie 6 mm off the
# mean head's in each of x, y and z; from .55 on where it is no face: noise, points in another order (400 each).
MOST_ERROR = 0.5
# SQPNP refuses points that spread over less than .3 % of the focal length: a face of 45 px in a 4K picture.
LEAST_SHARE_OF_FOCAL = 0.004


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole without distortion: focal lengths, and the point of the picture that it looks at."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        """Raises SettingsError."""
        for name in ("fx_px", "fy_px"):
            is_focal = is_number(getattr(self, name), 0, MOST) and getattr(self, name) != 0
            check(self, name, is_focal, "pixels above 0")
        for name in ("cx_px", "cy_px"):
            check(self, name, is_number(getattr(self, name), -MOST, MOST), "pixels")

    @classmethod
    def of(cls, width_px: int, height_px: int) -> "Camera":
        """OpenFace 2.2's for a picture whose camera nobody knows: f the mean of 500 w/640 and 500 h/480."""
        focal_px = (500 * width_px / 640 + 500 * height_px / 480) / 2
        return cls(focal_px, focal_px, width_px / 2, height_px / 2)

    @property
    def matrix(self) -> Matrix:
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]])


@dataclass(frozen=True, slots=True)
class HeadPose:
    translation_mm: tuple[float, float, float]  # Tx, Ty, Tz of the mean head's origin
    rotation_rad: tuple[float, float, float]  # Rx and Ry in [-pi/2, pi/2], Rz in [-pi, pi]
    error_px: float  # root mean square distance between the landmarks and the mean head's points


def head_pose(landmarks_px: Floats, camera: Camera) -> HeadPose:
    """(98,2) landmarks in WFLW order, in pixels of the picture -> the pose that fits those of `POINTS` best.

    SQPNP (Terzakis and Lourakis 2020), refined by Levenberg-Marquardt.  Angles hardly depend on the camera;
    lengths do (Tz grows with the focal length), and on the head, which is taken to be of mean size.
    Raises PictureError: there are not 98 points, or they are not finite, too close together or no face's, or
    none that this camera can see.
    """
    if landmarks_px.shape != (WFLW_POINTS, 2):
        raise PictureError(f"head pose: got landmarks of shape {landmarks_px.shape}, want ({WFLW_POINTS}, 2)")
    points_px = within(MOST_PX, "head pose: a landmark", landmarks_px[list(POINTS)]).astype(np.float64)
    spread_px = _rms(points_px - points_px.mean(axis=0))
    if spread_px < LEAST_SPREAD_PX:
        raise PictureError(
            f"head pose: landmarks spread over {spread_px:.2g} px, want {LEAST_SPREAD_PX:g} or more"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # by focal lengths that no camera has
        pose = _solved(points_px, spread_px, camera)
        error_px = _rms(projected(FACE_MM, pose, camera) - points_px)
    if not error_px <= MOST_ERROR * spread_px:  # NaN is not
        off = f"{error_px / spread_px:.2f} of their spread"
        raise PictureError(f"head pose: landmarks are off a face's by {off}, want at most {MOST_ERROR:g}")
    return replace(pose, error_px=error_px)


def projected(points_mm: Matrix, pose: HeadPose, camera: Camera) -> Matrix:
    """(N,3) points of the head, in the axes of `FACE_MM` -> (N,2) where the camera sees them, in pixels."""
    seen = points_mm @ rotation_matrix(pose).T + pose.translation_mm
    return seen[:, :2] / seen[:, 2:] * (camera.fx_px, camera.fy_px) + (camera.cx_px, camera.cy_px)


def rotation_matrix(pose: HeadPose) -> Matrix:
    """(3,3) R = Rx Ry Rz: the head's axes -> the camera's."""
    about_x, about_y, about_z = (
        cv2.Rodrigues(axis * angle)[0].astype(np.float64)
        for axis, angle in zip(np.eye(3), pose.rotation_rad, strict=True)
    )
    return about_x @ about_y @ about_z


def _solved(points_px: Matrix, spread_px: float, camera: Camera) -> HeadPose:
    """The pose of the least error, which is left open.  Raises PictureError: it is no face's from the front."""
    try:
        turn, shift = _least(points_px, spread_px, camera)
    except cv2.error as error:  # SQPNP asserts that the points spread, as this camera sees them
        raise PictureError(f"head pose: no head has these landmarks before this camera: {error.err}") from error
    rotation, (x_mm, y_mm, z_mm) = cv2.Rodrigues(turn)[0].astype(np.float64), shift.ravel().tolist()
    if not (z_mm > 0 and rotation[2, 2] > 0):  # NaN is not
        raise PictureError("head pose: the landmarks are a face's from behind, or in a mirrored order")
    return HeadPose((x_mm, y_mm, z_mm), _angles(rotation), math.nan)


def _least(points_px: Matrix, spread_px: float, camera: Camera) -> tuple[Matrix, Matrix]:
    """Rotation vector and translation of the least error.  Raises PictureError, cv2.error: there is none."""
    start, nearer = _near(points_px, spread_px, camera)
    found, turn, shift = cv2.solvePnP(FACE_MM, points_px, start, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        raise PictureError("head pose: the landmarks are no face's")
    far = np.asarray(shift, np.float64) / nearer
    turn, shift = cv2.solvePnPRefineLM(FACE_MM, points_px, camera.matrix, None, turn, far)
    return np.asarray(turn, np.float64), np.asarray(shift, np.float64)


def _near(points_px: Matrix, spread_px: float, camera: Camera) -> tuple[Matrix, float]:
    """Of a camera that sees the face where it is, but near enough for SQPNP; and the share of the distance.

    Unless the face is small, that is the camera given, and 1.
    """
    nearer = min(1.0, spread_px / (LEAST_SHARE_OF_FOCAL * max(camera.fx_px, camera.fy_px)))
    x_px, y_px = points_px.mean(axis=0).tolist()
    centre_px = x_px - (x_px - camera.cx_px) * nearer, y_px - (y_px - camera.cy_px) * nearer
    fx_px, fy_px = camera.fx_px * nearer, camera.fy_px * nearer
    return np.array([[fx_px, 0, centre_px[0]], [0, fy_px, centre_px[1]], [0, 0, 1]]), nearer


def _angles(rotation: Matrix) -> tuple[float, float, float]:
    """(3,3) Rx Ry Rz -> the three angles in rad."""
    return (
        math.atan2(-rotation[1, 2], rotation[2, 2]),
        math.atan2(rotation[0, 2], math.hypot(rotation[0, 0], rotation[0, 1])),
        math.atan2(-rotation[0, 1], rotation[0, 0]),
    )


def _rms(offsets_px: Matrix) -> float:
    """(N,2) -> root mean square length."""
    return float(np.sqrt((offsets_px**2).sum(axis=1).mean()))
