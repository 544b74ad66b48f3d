"""A video's frames <-> the values that the store keeps of them: each is a picture that lies in its video."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from of3.runtime.logs.coding import (
    AT_MOMENT,
    AT_REMARKS,
    Values,
    face_values,
    picture_values,
    pictures,
    storable,
)
from of3.runtime.logs.items import Stamp, frame_item
from of3.runtime.logs.made import OutputNames
from of3.runtime.logs.rows import Result
from of3.runtime.logs.store import Store
from of3.runtime.remarks import CUT
from of3.runtime.types import Analysis, Failure, Moment, SeenFrame


@dataclass(frozen=True, slots=True)
class VideoItem:
    """A video to be analysed: its absolute path, and by which its file is known to be the same."""

    path: str
    stamp: Stamp


def frame_values(video: VideoItem, frame: SeenFrame) -> tuple[Values, list[Values]]:
    """A frame -> the values of its picture and of its faces."""
    item = frame_item(video.path, video.stamp, frame.moment)
    picture = picture_values(item, storable(_result(item.path, frame)), [CUT] * frame.is_cut)
    return picture, [face_values(picture[-1], face) for face in frame.faces]


def _result(path: str, frame: SeenFrame) -> Result:
    if frame.failure is not None:
        return frame.failure
    best = frame.faces[0]
    return Analysis(path, best.size_px, frame.faces, (), best) if best.size_px else best


def frames_of(store: Store, run: int, names: OutputNames | None = None) -> Iterator[SeenFrame]:
    """What the store holds of a video, in order.  names: None for the run's.  Raises RunError where damaged."""
    names = names or store.run(run).names
    for rows in store.batches(run):
        yield from frames_in(rows, names)


def frames_in(rows: Sequence[Values], names: OutputNames) -> Iterator[SeenFrame]:
    """Rows as `coding.ROW_READ`, checked, all of each frame."""
    for row, path, found in pictures(rows, names):
        failure = None if found else Failure(path, row[4], row[5])
        moment = Moment(*(row[number] for number in AT_MOMENT))
        yield SeenFrame(moment, tuple(found), failure, CUT in row[AT_REMARKS].split())
