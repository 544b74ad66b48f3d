"""Where somebody looks, as a vector."""

from math import atan2, cos, sin


def gaze_vector(yaw_rad: float, pitch_rad: float) -> tuple[float, float, float]:
    """A unit vector in the camera's axes: x to the right of the picture, y down, z away from the camera.

    Upstream's formula, by which its demo draws: x = -cos(pitch) sin(yaw), y = -sin(pitch); who looks into the
    camera has z = -1.
    """
    return -cos(pitch_rad) * sin(yaw_rad), -sin(pitch_rad), -cos(pitch_rad) * cos(yaw_rad)


def gaze_angles_rad(vector: tuple[float, float, float]) -> tuple[float, float]:
    """As OpenFace 2.2's gaze_angle_x and gaze_angle_y: + to the right of the picture, + downwards."""
    x, y, z = vector
    return atan2(x, -z), atan2(y, -z)
