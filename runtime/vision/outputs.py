"""Network outputs that can be: a picture whose numbers are not finite or beyond reason has failed."""

import numpy as np

from of3.runtime.types import Floats, PictureError

# By output, far beyond what any picture gave (the published detector 12; stand-ins on noise: logits 270, gaze
# 65 rad, box offsets 2240; an AU is a cosine, a landmark's patch ends at 1), far below where float32 overflows.
MOST = {
    "emotion_logits": 1e4,
    "gaze_rad": 1e4,
    "au": 1e2,
    "landmarks": 1e2,
    "loc": 1e5,
    "conf": 1e2,
    "landms": 1e5,
}
MOST_PX = 1e6  # of a box's corner or a point


def plausible(name: str, values: Floats) -> Floats:
    """The values of the output `name`.  Raises PictureError unless they are finite and not beyond reason."""
    return within(MOST[name], f"the network's {name}", values)


def implausible(name: str, values: Floats) -> dict[int, str]:
    """Rows (N, ...) of the output `name` that are not, by number, and what is wrong with them."""
    try:
        plausible(name, values)
    except PictureError as error:
        fine = (np.abs(values) <= MOST[name]).reshape(len(values), -1).all(axis=1)  # NaN is not
        return dict.fromkeys(np.flatnonzero(~fine).tolist(), str(error))
    return {}


def within(most: float, what: str, values: Floats) -> Floats:
    """The values.  Raises PictureError unless all are finite and at most `most` from 0."""
    if values.size and not (-most <= values.min() and values.max() <= most):  # NaN is neither; no copy is made
        raise PictureError(f"{what} is not finite or beyond {most:g}")
    return values
