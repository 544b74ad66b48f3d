"""A picture's result <-> the values that the store keeps of it, and a checksum of each row.

Arrays are float32, little-endian.  SQLite itself would not notice a bit that has flipped in one.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from of3.runtime.logs.items import Item, Stamp, key_of, path_of
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.rows import Measures
from of3.runtime.remarks import TILTED
from of3.runtime.types import Failure, Floats, RawValues, Record

Values = tuple[Any, ...]  # of a row
# Columns of `pictures` and `faces`, but for what says whose they are.  A picture without a stage has a face.
PICTURE = (
    "key",
    "path",
    "size",
    "mtime_ns",
    "stem_index",
    "stage",
    "reason",
    "damage",
    "faces",
    "remarks",
    "crc",
)
SHAPES = ((4,), (5, 2), (-1,), (-1,), (-1,), (-1,), (-1, 2))
ARRAYS = ("box_px", "points_px", "emotion_logits", "probabilities", "gaze_rad", "au", "landmarks_px")
FACE = ("face", "confidence", *ARRAYS, "crc")
# How they are read; the path is there for others, ours follows from the key.  Then, where a row has them: the
# picture's checksum, its face, its confidence, the first of its arrays.
PICTURE_READ = ", ".join(f"p.{name}" for name in PICTURE if name != "path")
CRC, AT_FACE, AT_CONFIDENCE, AT_ARRAYS = (len(PICTURE) - 2 + number for number in range(4))
ROW_READ = f"{PICTURE_READ}, {', '.join(f'f.{name}' for name in FACE)}"


class Damaged(Exception):
    """A row is not what was written."""


def picture_values(item: Item, result: Record | Failure) -> Values:
    """As PICTURE, of a storable result."""
    said: Values = (result.stage, result.reason, "", None, "") if isinstance(result, Failure) else ()
    if isinstance(result, Record):
        said = ("", "", result.damage, result.faces, " ".join(result.remarks))
    key, stamp = key_of(item.path), item.stamp
    facts = (stamp.size, stamp.mtime_ns, item.stem_index, *said)
    return (key, os.fsencode(item.path), *facts, _picture_crc(key, *facts))


def face_values(picture: int, record: Record) -> Values:
    """As FACE.  picture: the checksum of its row."""
    raw = record.raw
    arrays = (
        record.box,
        record.points,
        raw.emotion_logits,
        list(record.probabilities.values()),
        raw.gaze_rad,
        raw.au,
        record.landmarks,
    )
    blobs = [None if array is None else np.asarray(array, "<f4").tobytes() for array in arrays]
    return (record.face, record.confidence, *blobs, _face_crc(picture, record.face, record.confidence, blobs))


def values_of(results: Iterable[tuple[Item, Record | Failure]]) -> tuple[list[Values], list[Values | None]]:
    """Storable results -> the values of their pictures and of their faces; None where one has none."""
    pictures, faces = list[Values](), list[Values | None]()
    for item, result in results:
        pictures.append(picture_values(item, result))
        faces.append(face_values(pictures[-1][-1], result) if isinstance(result, Record) else None)
    return pictures, faces


def storable(result: Record | Failure) -> Record | Failure:
    """The same, with what is said of it as UTF-8 can hold it."""
    if isinstance(result, Failure):
        return replace(result, reason=result.reason.encode("utf-8", "backslashreplace").decode())
    return result


def _picture_crc(key: bytes, *facts: object) -> int:
    size, mtime_ns, stem_index, stage, reason, damage, faces, remarks = facts
    text = f"{size}\0{mtime_ns}\0{stem_index}\0{stage}\0{reason}\0{damage}\0{faces}\0{remarks}"
    return crc32(text.encode(), crc32(key))


def _face_crc(picture: int, face: int, confidence: float | None, blobs: Sequence[bytes | None]) -> int:
    """picture: the checksum of its row, so that a face is nobody else's."""
    return crc32(b"|".join([blob or b"" for blob in blobs]), crc32(f"{face} {confidence}".encode(), picture))


def check(rows: Iterable[Values]) -> None:
    """Raise Damaged unless the checksums of rows are right.  rows: as PICTURE_READ, or ROW_READ."""
    try:
        for row in rows:
            key, *facts = row[:CRC]
            stage, face = row[4], row[AT_FACE:]
            if _picture_crc(key, *facts) != row[CRC]:
                raise Damaged("a picture's row")
            if face and (face[-1] is None) != bool(stage):
                raise Damaged("a face's row")
            if face and not stage and _face_crc(row[CRC], face[0], face[1], face[2:-1]) != face[-1]:
                raise Damaged("a face's row")
    except TypeError as error:
        raise Damaged("a picture's row") from error


def is_told(row: Values) -> bool:
    """Whether errors.tsv tells of a picture: a row as PICTURE_READ."""
    return bool(row[4] or row[6] or TILTED in row[8])


def results(rows: Sequence[Values], names: OutputNames) -> Iterator[tuple[Item, Record | Failure]]:
    """Rows as ROW_READ, checked -> what they were made of."""
    there = [row for row in rows if row[-1] is not None]
    box, points, logits, shares, gaze, au, landmarks = (
        _arrays([row[number] for row in there], shape) for number, shape in enumerate(SHAPES, AT_ARRAYS)
    )
    lists = zip(*map(_listed, (box, shares, gaze, au)), strict=True)
    faces = zip(
        there,
        lists,
        zip(logits, gaze, au, strict=True),
        zip(points, landmarks, strict=True),
        strict=True,
    )
    for key, size, mtime_ns, stem_index, stage, reason, *_ in rows:
        path = path_of(key)
        item = Item(path, Stamp(size, mtime_ns), stem_index)
        yield item, Failure(path, stage, reason) if stage else _record(path, names, *next(faces))


def measures(rows: Sequence[Values], names: OutputNames) -> Iterator[Failure | Measures]:
    """Rows as ROW_READ, checked -> what openface3.csv needs of them, in a third of whole records' time."""
    there = [row for row in rows if not row[4]]
    numbers: Iterator[Any] = iter(())
    if there:
        three = (AT_ARRAYS + ARRAYS.index(name) for name in ("probabilities", "gaze_rad", "au"))
        shares, gaze, au = (_arrays([row[number] for row in there], (-1,)) for number in three)
        sides = [names.gaze.index(name) for name in ("yaw", "pitch")]
        outputs = [names.aus[unit] for unit in (12, 25, 26)]
        columns = (shares.argmax(1), shares.max(1), gaze[:, sides], au[:, outputs])
        numbers = zip(*(column.tolist() for column in columns), strict=True)
    for row in rows:
        path = path_of(row[0])
        if row[4]:
            yield Failure(path, row[4], row[5])
        else:
            best, share, (yaw_rad, pitch_rad), (au12, au25, au26) = next(numbers)
            emotion, confidence = names.emotions[best], row[AT_CONFIDENCE]
            yield Measures(path, yaw_rad, pitch_rad, emotion, share, au12, au25, au26, confidence)


def _arrays(blobs: Sequence[bytes | None], shape: tuple[int, ...]) -> Any:
    """One for each; as rows of one array, where all are there: one by one they take three times as long."""
    if len({None if blob is None else len(blob) for blob in blobs}) == 1 and blobs[0] is not None:
        return np.frombuffer(b"".join(blob or b"" for blob in blobs), "<f4").reshape(len(blobs), *shape)
    return [None if blob is None else np.frombuffer(blob, "<f4").reshape(shape) for blob in blobs]


def _listed(arrays: Any) -> Any:
    """What `_arrays` gave as lists; empty where there is none."""
    if isinstance(arrays, np.ndarray):
        return arrays.tolist()
    return [[] if array is None else array.tolist() for array in arrays]


def _record(
    path: str,
    names: OutputNames,
    row: Values,
    lists: Sequence[list[float]],  # box (empty where there is none), probabilities, gaze, AUs
    arrays: Sequence[Floats],  # emotion logits, gaze, AUs
    places: Sequence[Floats | None],  # points, landmarks
) -> Record:
    box, shares, gaze, presence = lists
    points, landmarks = places
    return Record(
        source=path,
        emotion=names.emotions[shares.index(max(shares))],
        probabilities=dict(zip(names.emotions, shares, strict=True)),
        gaze_rad=dict(zip(names.gaze, gaze, strict=True)),
        aus={unit: presence[output] for unit, output in names.aus.items()},
        raw=RawValues(*arrays),
        box=(box[0], box[1], box[2], box[3]) if box else None,
        confidence=row[AT_CONFIDENCE],
        landmarks=landmarks,
        damage=row[6],
        points=points,
        faces=row[7],
        face=row[AT_FACE],
        remarks=tuple(row[8].split()),
    )
