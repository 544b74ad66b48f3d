"""Where a gaze goes, in the picture's sense.

The networks' angles are those of OpenFace 3.0's own drawing: at yaw > 0 the eyes look to the picture's left, at
pitch > 0 up, at 0 0 into the camera.  A mirrored picture has the yaw with the other sign, and so the mirrored
direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from of3.runtime.vision.gaze import gaze_vector

SIDES = ("pitch", "yaw")


@dataclass(frozen=True, slots=True)
class GazeNames:
    """Which of a record's two gaze angles goes sideways, and which up and down: by their names there."""

    sideways: str = "yaw"
    upwards: str = "pitch"

    @classmethod
    def of(cls, named: Sequence[str], measured: Sequence[str]) -> "GazeNames | None":
        """named: the network's outputs as the run calls them.  measured: as mirrored pictures have shown them
        to be, which is what a picture shows.  None where that told nothing: an arrow might go anywhere.
        """
        if tuple(sorted(named)) != SIDES or tuple(sorted(measured)) != SIDES:
            return None
        return cls(named[measured.index("yaw")], named[measured.index("pitch")])

    def direction(self, gaze_rad: Mapping[str, float]) -> tuple[float, float, float]:
        """A record's gaze -> a vector of length 1: x to the picture's right, y down, z away from the camera."""
        return gaze_vector(gaze_rad[self.sideways], gaze_rad[self.upwards])
