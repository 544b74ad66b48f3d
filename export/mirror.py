"""Which gaze output is yaw: mirror the faces and see which number changes its sign.

The seed and upstream's README call output 0 yaw, independent measurements say it behaves as pitch.  A
horizontal flip turns a gaze to the left into one to the right and leaves up and down alone, so that no label
is needed to tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from of3.engines.base import Floats
from of3.runtime.types import Pixels

Gaze = Callable[[Sequence[Pixels]], Floats]  # BGR pictures -> (N,2) rad

FEWEST_PICTURES = 3
# Odd share of a channel: 1 where every value changes sign when mirrored, 0 where none moves.
CLEAR_MARGIN = 0.5
UNDETERMINED = "undetermined"
ORDERS = ("yaw_pitch", "pitch_yaw")  # by which channel is yaw


@dataclass(frozen=True, slots=True)
class GazeOrder:
    """What the mirror test found, and on what grounds."""

    order: str  # one of ORDERS, or UNDETERMINED
    pictures: int
    odd_share: tuple[float, ...]  # by channel, [0,1]
    sign_changes: tuple[float, ...]  # by channel, share of the pictures
    margin: float  # between the channels' odd shares; CLEAR_MARGIN decides


def mirror_test(gaze: Gaze, pictures: Sequence[Pixels]) -> GazeOrder:
    """The order of `gaze`'s two channels, by pictures of faces and their mirror images."""
    if len(pictures) < FEWEST_PICTURES:
        return GazeOrder(UNDETERMINED, len(pictures), (), (), 0.0)
    straight = gaze(pictures)
    mirrored = gaze([np.ascontiguousarray(picture[:, ::-1]) for picture in pictures])
    odd = np.square(straight - mirrored).sum(axis=0, dtype=np.float64)
    even = np.square(straight + mirrored).sum(axis=0, dtype=np.float64)
    share = odd / np.maximum(odd + even, np.finfo(np.float64).tiny)
    changes = (straight * mirrored < 0).mean(axis=0)
    return GazeOrder(
        order=_order(share),
        pictures=len(pictures),
        odd_share=tuple(share.tolist()),
        sign_changes=tuple(changes.tolist()),
        margin=float(abs(share[0] - share[1])),
    )


def _order(odd_share: Floats) -> str:
    """Clear only when one channel changes sign more than not, the other less, and they are far apart."""
    yaw = int(odd_share.argmax())
    is_clear = odd_share[yaw] > 0.5 > odd_share[1 - yaw] and odd_share[yaw] - odd_share[1 - yaw] >= CLEAR_MARGIN
    return ORDERS[yaw] if is_clear else UNDETERMINED


def sentence(found: GazeOrder) -> str:
    """The result as one line."""
    if not found.odd_share:
        return f"gaze order: undetermined, {found.pictures} pictures of faces are fewer than {FEWEST_PICTURES}"
    shares = ", ".join(
        f"channel {channel}: odd share {odd:.2f}, {change:.0%} of signs change"
        for channel, (odd, change) in enumerate(zip(found.odd_share, found.sign_changes, strict=True))
    )
    return f"gaze order by the mirror test on {found.pictures} pictures: {found.order} ({shares})"
