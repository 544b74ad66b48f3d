"""Which way up a frame is to be shown, by the display matrix that lies with it, in EXIF's numbers.

As FFmpeg's own programs turn frames, mirrored ones too; what lies between quarters goes to the next of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video import VideoFrame

TURNED = {0: 1, 90: 6, 180: 3, 270: 8}  # degrees clockwise -> EXIF's number
# By whether the sides change places, the new x goes against the old axis, and the new y does.
BY_SIGNS = {
    (False, False, False): 1,
    (False, True, False): 2,
    (False, True, True): 3,
    (False, False, True): 4,
    (True, False, False): 5,
    (True, True, False): 6,
    (True, True, True): 7,
    (True, False, True): 8,
}
# What EXIF's numbers are: in some left and right change places, and then the frame is turned.
CLOCKWISE_DEG = {1: 0, 2: 0, 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
MIRRORED = (2, 4, 5, 7)


def orientation_of(picture: "VideoFrame") -> int:
    """1 to 8: 1 where there is no matrix."""
    from av.sidedata.sidedata import SideDataContainer

    # Not `picture.side_data`: the picture would keep it, and it the picture, until Python looks for such rings;
    # 60 frames of 60 were left (av 18.1, 2026-11).
    try:
        matrix = SideDataContainer(picture).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # so in its stub only
    except ValueError:  # beside it lies what this PyAV has no name for, as a JPEG's EXIF data
        return TURNED[round(-picture.rotation / 90) * 90 % 360]
    if matrix is None:
        return 1
    a, b, _, c, d = memoryview(matrix).cast("B").cast("i")[:5]
    return orientation_by(a, b, c, d)


def orientation_by(a: int, b: int, c: int, d: int) -> int:
    """Of a point (x, y) of the frame that is shown at (a x + c y, b x + d y), y downwards."""
    is_across = abs(b * c) > abs(a * d)
    x, y = (c, b) if is_across else (a, d)
    return BY_SIGNS[is_across, x < 0, y < 0]
