"""The face in three dimensions: where a mean head has the landmarks that expressions leave where they are.

From MediaPipe's canonical_face_model.obj (mediapipe/modules/face_geometry/data), Apache License 2.0: NOTICE.
The sha256 of its lines of the vertices below, in their order, is
984b11858973ff509c5ce4be530fe027555521ddae19c2a57ee0e027b2f6ce55.  The file is in cm, with y up and z out of the
face; here it is in mm in the camera's axes (x right, y down, z away), so that an unturned face looks into the
camera.  The origin is the file's: in the middle of the head, 75 mm behind the tip of the nose.

Of the mesh's vertices those are taken that MediaPipe names (between the eyes; the nose's tip, bottom and
corners; the corners of the eyes), and between them those that lie as WFLW's points do, which are spaced evenly.

Left out are points that move with a face or with the view of it.  Brows, mouth and chin move by themselves.
The ends of the jaw line are where a turned head's outline begins, not where its ears are: with them yaw would
be off by 0.8 degrees from the front, 6.4 at 40 degrees and 13 at 60; without them it is by 2.0, 1.8 and 1.7
(medians of 1000 heads whose points lie 2.5 mm off the mean head's in each of x, y and z, with its outline).
"""

import numpy as np
from numpy.typing import NDArray

WFLW_POINTS = 98

# WFLW's point, the mesh's vertex (from 0), and its line in the file.  60 is the outer corner of the eye at the
# left of the picture: the subject's right eye.
_VERTICES = (
    (51, 168, (0.000000, 3.271027, 5.236015)),  # between the eyes
    (52, 197, (0.000000, 1.728369, 6.316750)),
    (53, 5, (0.000000, 0.365669, 7.242870)),
    (54, 1, (0.000000, -1.126865, 7.475604)),  # tip of the nose
    (55, 98, (-1.405627, -1.714196, 5.241087)),
    (56, 99, (-0.662449, -1.819321, 5.863759)),
    (57, 2, (0.000000, -2.089024, 6.058267)),  # bottom of the nose
    (58, 328, (0.662449, -1.819321, 5.863759)),
    (59, 327, (1.405627, -1.714196, 5.241087)),
    (60, 33, (-4.445859, 2.663991, 3.173422)),
    (64, 133, (-1.856432, 2.585245, 3.757904)),
    (68, 362, (1.856432, 2.585245, 3.757904)),
    (72, 263, (4.445859, 2.663991, 3.173422)),
)

POINTS = tuple(point for point, _, _ in _VERTICES)
"""The numbers of the WFLW points that `FACE_MM` has."""

FACE_MM: NDArray[np.float64] = np.array([at for _, _, at in _VERTICES]) * (10, -10, -10)
"""(13,3) x, y, z of `POINTS`, in their order."""
FACE_MM.flags.writeable = False
