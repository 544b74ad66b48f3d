"""A picture's result <-> the values that the store keeps of it, and a checksum of each row.

Arrays are float32, little-endian.  SQLite itself would not notice a bit that has flipped in one.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any
from zlib import crc32

import numpy as np

from of3.runtime.logs.items import Item, Stamp, key_of, path_of
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.rows import Measures, Result, faces_of, taken
from of3.runtime.remarks import TILTED
from of3.runtime.types import Analysis, Error, Failure, Floats, RawValues, Record

Values = tuple[Any, ...]  # of a row
# Columns of `pictures` and `faces`, but for what says whose they are.  A picture without a stage has the face
# that is taken where one is asked for, and its remarks; whether or not it has a stage it may have others.
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
    "taken",
    "width_px",
    "height_px",
    "frame",
    "time_s",
    "time_source",
    "crc",
)
SHAPES = ((4,), (5, 2), (-1,), (-1,), (-1,), (-1,), (-1, 2))
ARRAYS = ("box_px", "points_px", "emotion_logits", "probabilities", "gaze_rad", "au", "landmarks_px")
FACE = ("face", "confidence", *ARRAYS, "crc")
# How they are read; the path is there for others, ours follows from the key.  Then, where a row has them: the
# picture's checksum, a face of it, its confidence, the first of its arrays.
PICTURE_READ = ", ".join(f"p.{name}" for name in PICTURE if name != "path")
CRC, AT_FACE, AT_CONFIDENCE, AT_ARRAYS = (len(PICTURE) - 2 + number for number in range(4))
AT_REMARKS = PICTURE.index("remarks") - 1
AT_TAKEN, AT_WIDTH, AT_HEIGHT, *AT_MOMENT = (AT_REMARKS + 1 + number for number in range(6))
ROW_READ = f"{PICTURE_READ}, {', '.join(f'f.{name}' for name in FACE)}"


class Damaged(Error):
    """A row is not what was written."""


def picture_values(item: Item, result: Result, remarks: Sequence[str] = ()) -> Values:
    """As PICTURE, of a storable result.  remarks: besides those of its face."""
    said, one = list[Any](), taken(result)
    if isinstance(one, Failure):
        said = [one.stage, one.reason, "", None, " ".join(remarks), None]
    else:
        said = ["", "", one.damage, one.faces, " ".join([*one.remarks, *remarks]), one.face]
    size_px = None if isinstance(result, Failure) else result.size_px
    key, stamp, moment = key_of(item.path), item.stamp, item.moment
    when = (None, None, None) if moment is None else (moment.frame, moment.time_s, moment.time_source)
    facts = (stamp.size, stamp.mtime_ns, item.stem_index, *said, *(size_px or (None, None)), *when)
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


def values_of(results: Iterable[tuple[Item, Result]]) -> tuple[list[Values], list[list[Values]]]:
    """Storable results -> the values of their pictures, and of the faces of each."""
    pictures, faces = list[Values](), list[list[Values]]()
    for item, result in results:
        pictures.append(picture_values(item, result))
        faces.append([face_values(pictures[-1][-1], record) for record in faces_of(result)])
    return pictures, faces


def storable(result: Result) -> Result:
    """The same, with what is said of it as UTF-8 can hold it."""
    if isinstance(result, Analysis) and isinstance(result.taken, Failure):
        return replace(result, taken=_storable(result.taken))
    return _storable(result) if isinstance(result, Failure) else result


def _storable(result: Failure) -> Failure:
    return replace(result, reason=result.reason.encode("utf-8", "backslashreplace").decode())


def _picture_crc(key: bytes, *facts: object) -> int:
    return crc32("\0".join(map(str, facts)).encode(), crc32(key))


def _face_crc(picture: int, face: int, confidence: float | None, blobs: Sequence[bytes | None]) -> int:
    """picture: the checksum of its row, so that a face is nobody else's."""
    return crc32(b"|".join([blob or b"" for blob in blobs]), crc32(f"{face} {confidence}".encode(), picture))


def check(rows: Sequence[Values]) -> None:
    """Raise Damaged unless the checksums of rows are right, and no taken face is missing.

    rows: as PICTURE_READ; or ROW_READ, all of each picture.
    """
    try:
        there = set[bytes]()  # pictures whose taken face is
        for row in rows:
            key, *facts = row[:CRC]
            face = row[AT_FACE:]
            if _picture_crc(key, *facts) != row[CRC]:
                raise Damaged("a picture's row")
            if face and face[-1] is not None and _face_crc(row[CRC], face[0], face[1], face[2:-1]) != face[-1]:
                raise Damaged("a face's row")
            if face and face[-1] is not None and face[0] == row[AT_TAKEN]:
                there.add(key)
        if any(len(row) > AT_FACE and not row[4] and row[0] not in there for row in rows):
            raise Damaged("a face's row")
    except TypeError as error:
        raise Damaged("a picture's row") from error


def is_told(row: Values) -> bool:
    """Whether errors.tsv tells of a picture: a row as PICTURE_READ."""
    return bool(row[4] or row[6] or TILTED in row[8])


def whole_pictures(batches: Iterable[list[Values]]) -> Iterator[list[Values]]:
    """Rows as ROW_READ, some at a time -> the same, none of a picture's apart."""
    held: list[Values] = []
    for rows in batches:
        held += rows
        end = len(held)
        while end and held[end - 1][0] == held[-1][0]:
            end -= 1
        if end:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def of_taken(rows: Iterable[Values]) -> list[Values]:
    """Rows as ROW_READ, all of each picture -> one of each: of the face that is taken, where there is one."""
    found: dict[bytes, Values] = {}
    for row in rows:
        if row[0] not in found or row[AT_FACE] == row[AT_TAKEN]:
            found[row[0]] = row
    return list(found.values())


def pictures(rows: Sequence[Values], names: OutputNames) -> Iterator[tuple[Values, str, list[Record]]]:
    """As `faces`, with the first row of each: what there is of the picture stands in all of them."""
    firsts = (next(group) for _, group in groupby(rows, key=lambda row: row[0]))
    for row, (path, found) in zip(firsts, faces(rows, names), strict=True):
        yield row, path, found


def faces(rows: Sequence[Values], names: OutputNames) -> Iterator[tuple[str, list[Record]]]:
    """Rows as ROW_READ, checked, all of each picture -> the path and the faces of each, the best first.

    What there is to remark is of the face that is taken, and known of no other.
    """
    records = _records([row for row in rows if row[-1] is not None], names)
    for key, group in groupby(rows, key=lambda row: row[0]):
        yield path_of(key), [next(records) for row in group if row[-1] is not None]


def results(rows: Sequence[Values], names: OutputNames) -> Iterator[tuple[Item, Record | Failure]]:
    """Rows as ROW_READ, checked, all of each picture -> what there is of the face that is taken."""
    rows = of_taken(rows)
    records = _records([row for row in rows if not row[4]], names)
    for key, size, mtime_ns, stem_index, stage, reason, *_ in rows:
        path = path_of(key)
        item = Item(path, Stamp(size, mtime_ns), stem_index)
        yield item, Failure(path, stage, reason) if stage else next(records)


def _records(there: Sequence[Values], names: OutputNames) -> Iterator[Record]:
    """Rows that have a face -> it."""
    box, points, logits, shares, gaze, au, landmarks = (
        _arrays([row[number] for row in there], shape) for number, shape in enumerate(SHAPES, AT_ARRAYS)
    )
    lists = zip(*map(_listed, (box, shares, gaze, au)), strict=True)
    face_arrays = zip(
        there,
        lists,
        zip(logits, gaze, au, strict=True),
        zip(points, landmarks, strict=True),
        strict=True,
    )
    for row, *arrays in face_arrays:
        yield _record(path_of(row[0]), names, row, *arrays)


def measures(rows: Sequence[Values], names: OutputNames) -> Iterator[Failure | Measures]:
    """As `results`: what openface3.csv needs of them, in a third of whole records' time."""
    rows = of_taken(rows)
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
        remarks=tuple(row[8].split()) if row[AT_FACE] == row[AT_TAKEN] else (),
        size_px=None if row[AT_WIDTH] is None else (row[AT_WIDTH], row[AT_HEIGHT]),
    )
