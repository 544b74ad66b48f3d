"""Pixels that a program holds -> every face in them: `python examples/arrays.py BUNDLE PICTURE`.

An array is BGR uint8 (H,W,3), as OpenCV reads it; of RGB pass `pixels[..., ::-1]`.
"""

import argparse
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

import of3


def faces(bundle: str, pixels: NDArray[np.uint8]) -> of3.Analysis | of3.Failure:
    """One picture at once, by all cores: for many give `run_faces` all of them, it is faster."""
    settings = of3.Settings(detect=True, detector_resize="auto", parallel_runs=1, batch=1)
    with of3.Pipeline.open(bundle, settings) as pipeline:
        return next(pipeline.run_faces(pixels))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("picture")
    given = parser.parse_args()
    pixels = cv2.imread(given.picture)
    if pixels is None:
        sys.exit(f"{given.picture}: no picture that OpenCV reads")
    try:
        found = faces(given.bundle, np.asarray(pixels, np.uint8))
    except (of3.Error, OSError) as error:
        sys.exit(str(error))
    if isinstance(found, of3.Failure):
        sys.exit(f"{found.stage}: {found.reason}")
    print(f"{found.size_px[0]}x{found.size_px[1]} pixels, faces: {len(found.faces)}")
    for face in found.faces:
        print(face.box, face.confidence, face.emotion)
