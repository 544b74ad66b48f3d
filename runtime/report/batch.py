"""Rows of the store -> arrays, a row a face."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan

import numpy as np
from numpy.typing import NDArray

from of3.runtime.logs.coding import (
    ARRAYS,
    AT_ARRAYS,
    AT_CONFIDENCE,
    AT_HEIGHT,
    AT_MOMENT,
    AT_REMARKS,
    AT_WIDTH,
    Values,
)
from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.logs.items import Stamp, path_of
from of3.runtime.logs.made import OutputNames
from of3.runtime.types import Failure, Floats

AT_SIZE, AT_MTIME, AT_STAGE, AT_REASON, AT_DAMAGE, AT_FACES = 1, 2, 4, 5, 6, 7  # of a row as `coding.ROW_READ`
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """A face, or a whole picture, that is to be looked at."""

    path: str  # of the picture or the video
    stamp: Stamp  # of its file, when it was read
    box: Box | None  # None: the whole picture
    frame: int | None = None  # of a video
    time_s: float = 0.0
    value: float = 0.0  # why it is looked at


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """NaN where nothing is known.  Its arrays are not to be written to."""

    rows: Sequence[Values]  # F, as `coding.ROW_READ`
    pictures: Sequence[Values]  # one of each, with or without a face
    first: int  # how many pictures came before
    numbers: NDArray[np.int64]  # (F,) which picture, from 0
    au: Floats  # (F,8), in the order of UNITS
    shares: Floats  # (F,8), in the order of EMOTIONS
    gaze_rad: Floats  # (F,2): yaw, pitch
    confidence: Floats  # (F,)
    box_px: Floats  # (F,4)
    points_px: Floats  # (F,5,2)
    size_px: Floats  # (F,2)

    def spot(self, index: int, value: float = 0.0) -> Spot:
        """A face as one to be looked at."""
        x1, y1, x2, y2 = self.box_px[index].tolist()
        return spot_of(self.rows[index], None if isnan(x1) else (x1, y1, x2, y2), value)

    def failures(self) -> Iterator[tuple[Failure, Spot]]:
        """Pictures that gave no row of a face."""
        for row in self.pictures:
            if row[AT_STAGE]:
                spot = spot_of(row, None)
                yield Failure(spot.path, row[AT_STAGE], row[AT_REASON]), spot


def spot_of(row: Values, box: Box | None, value: float = 0.0) -> Spot:
    path, stamp = path_of(row[0]), Stamp(row[AT_SIZE], row[AT_MTIME])
    frame, time_s, _ = (row[number] for number in AT_MOMENT)
    if frame is None:
        return Spot(path, stamp, box, value=value)
    return Spot(os.path.dirname(path), stamp, box, frame, time_s, value)


def batch_of(rows: Sequence[Values], names: OutputNames, first: int = 0) -> Batch:
    """Rows as `coding.ROW_READ`, checked, all of each picture.  first: as of Batch."""
    pictures, numbers, there = list[Values](), list[int](), list[Values]()
    for number, (_, group) in enumerate(groupby(rows, key=lambda row: row[0]), first):
        of_picture = list(group)
        faces = [row for row in of_picture if row[-1] is not None]
        pictures.append(of_picture[0])
        numbers += [number] * len(faces)
        there += faces
    sides = [names.gaze.index(name) for name in ("yaw", "pitch")]
    return Batch(
        rows=there,
        pictures=pictures,
        first=first,
        numbers=np.array(numbers, np.int64),
        au=_array(there, "au", len(names.aus))[:, [names.aus[unit] for unit in UNITS]],
        shares=_array(there, "probabilities", len(names.emotions))[
            :, [names.emotions.index(name) for name in EMOTIONS]
        ],
        gaze_rad=_array(there, "gaze_rad", 2)[:, sides],
        confidence=np.array([row[AT_CONFIDENCE] for row in there], np.float32),
        box_px=_array(there, "box_px", 4),
        points_px=_array(there, "points_px", 10).reshape(-1, 5, 2),
        size_px=np.array([(row[AT_WIDTH], row[AT_HEIGHT]) for row in there], np.float32).reshape(-1, 2),
    )


def _array(rows: Sequence[Values], name: str, width: int) -> Floats:
    """(F,width) of a column of blobs."""
    at, unknown = AT_ARRAYS + ARRAYS.index(name), np.full(width, np.nan, "<f4").tobytes()
    joined = b"".join([row[at] or unknown for row in rows])
    return np.frombuffer(joined, "<f4").reshape(len(rows), width)


def said(row: Values) -> list[str]:
    """The words of `of3.runtime.remarks` about a picture's taken face."""
    return str(row[AT_REMARKS]).split()
