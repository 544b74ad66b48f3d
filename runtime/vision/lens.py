"""What is known of a camera before its pictures come, whose sizes may differ."""

from dataclasses import dataclass

from of3.runtime.types import Record
from of3.runtime.vision.pose import Camera


@dataclass(frozen=True, slots=True)
class Lens:
    """As a Camera; 0 for what each picture's size suggests."""

    fx_px: float = 0.0
    fy_px: float = 0.0
    cx_px: float = 0.0
    cy_px: float = 0.0

    def for_size(self, width_px: int, height_px: int) -> Camera:
        usual = Camera.of(width_px, height_px)
        return Camera(
            self.fx_px or usual.fx_px,
            self.fy_px or usual.fy_px,
            self.cx_px or usual.cx_px,
            self.cy_px or usual.cy_px,
        )


USUAL = Lens()  # of which nobody knows anything


def camera_of(record: Record, known: Camera | Lens | None = USUAL) -> Camera | None:
    """That of a face's picture; None where nobody asks, or knows how large the picture was."""
    if not isinstance(known, Lens):
        return known
    return None if record.size_px is None else known.for_size(*record.size_px)
