"""Where heads point: of a sample, because each takes a millisecond."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import degrees

import numpy as np

from of3.runtime.logs import coding
from of3.runtime.logs.coding import ARRAYS, AT_ARRAYS, Values
from of3.runtime.logs.made import OutputNames
from of3.runtime.report.histogram import Histogram
from of3.runtime.report.summary import Measured
from of3.runtime.types import Record
from of3.runtime.vision.derived import derived
from of3.runtime.vision.lens import USUAL, Lens, camera_of
from of3.runtime.vision.pose import Camera

SAMPLED = 3000  # faces of all
ANGLES = ("Rx, > 0 looks down", "Ry, > 0 to the picture's left", "Rz, > 0 tilted clockwise")
AT_LANDMARKS = AT_ARRAYS + ARRAYS.index("landmarks_px")


@dataclass(slots=True)
class Poses:
    every: int  # of how many faces one is measured
    measured: int = 0
    angles_deg: list[Histogram] = field(default_factory=lambda: [Histogram(-90.0, 90.0) for _ in ANGLES])
    skipped: int = 0  # since the last that was

    def add(self, rows: Sequence[Values], names: OutputNames, camera: Camera | Lens = USUAL) -> None:
        """rows: as of Batch."""
        some = rows[self.every - 1 - self.skipped :: self.every]
        self.skipped = (self.skipped + len(rows)) % self.every
        known = [row for row in some if row[AT_LANDMARKS] is not None]
        for _, faces in coding.faces(known, names):
            for record in faces:
                self._measure(record, camera)

    def _measure(self, record: Record, camera: Camera | Lens) -> None:
        pose = derived(record.landmarks, camera_of(record, camera)).pose
        if pose is not None:
            self.measured += 1
            for histogram, angle in zip(self.angles_deg, pose.rotation_rad, strict=True):
                histogram.add(np.array([degrees(angle)]))

    def measured_angles(self) -> list[Measured]:
        """None where no face had landmarks that are a face's."""
        named = zip(ANGLES, self.angles_deg, strict=True)
        return [Measured(f"head {name}", "deg", each) for name, each in named if each.total]


def poses_of(faces: int) -> Poses:
    """faces: how many will come, about."""
    return Poses(max(1, faces // SAMPLED))
