"""What flows through the pipeline, stage by stage.

Images are BGR uint8 (H,W,3), as OpenCV reads them.  Boxes are x1, y1, x2, y2 in pixels of the picture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from of3.engines.errors import Error as Error  # noqa: PLC0414 - for floors that do not see the engines

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


K = TypeVar("K")  # what comes with a picture and goes with it


class PictureError(Error):
    """This picture cannot be analysed, and why; costs one row."""


class RunError(Error):
    """This run cannot start or go on, and what to do about it; exit status 2."""


class RunBroken(RunError):
    """This run has begun and cannot go on; exit status 1."""


class InputLost(RunBroken):
    """The pictures, or the means to read them, are gone: no other worker would do better."""


class Closed(RunError):
    """What is used was closed, or lives in the process that this one was forked from."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture to be analysed: a file to read, or what is at hand of it."""

    source: str  # the path as given, or "array 3", "bytes 3"
    content: str | bytes | Pixels | Callable[[], Pixels]


class Plain:
    """What can be told in numbers, text, lists and dictionaries."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as `json.dumps` takes it; arrays as lists, what is not known as None."""
        told: dict[str, Any] = _plain(self)
        return told


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


@dataclass(frozen=True, slots=True)
class Failure(Plain):
    """A picture that gave no record: at which stage, and why."""

    source: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    source: str
    pixels: Pixels
    damage: str = ""  # what is wrong with the file, though it was decoded


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture at a size at which faces are looked for."""

    tensor: Floats  # (3,h,w)
    factor: float  # its pixels for one of the picture's


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and what the detector is fed of it."""

    image: Image
    views: Sequence[View]  # the finest first

    @property
    def source(self) -> str:
        return self.image.source


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    box_px: Floats  # (4,), not clamped to the picture
    confidence: float  # [0.5, 1]
    points_px: Floats  # (5,2): eyes, nose, mouth corners
    rank: int = 0  # among the picture's faces, by confidence
    fed_px: float = 0.0  # the box's longer side in what the detector was fed


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """An image and its face; None where the whole picture is taken."""

    image: Image
    face: Face | None
    faces: int | None = None  # found in it; None where nobody looked

    @property
    def source(self) -> str:
        return self.image.source


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A square of the picture brought to the landmark network's size."""

    pixels: Pixels  # (256,256,3)
    to_image: NDArray[np.float64]  # (2,3): patch pixels -> picture pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """All that the networks need of a picture, once its pixels are let go."""

    source: str
    damage: str
    tensor: Floats  # (3,224,224), normalised; its place in its batch, where that was there first
    face: Face | None
    patch: Patch | None
    faces: int | None = None  # found in the picture; None where nobody looked
    size_px: tuple[int, int] | None = None  # width, height of the picture; None where it was never there


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[K]):
    """Pictures with their keys, and what the networks are fed of the samples among them, in their order."""

    items: Sequence[tuple[K, Sample | Failure]]
    faces: Floats  # (N,3,224,224)
    patches: Floats  # (N,3,256,256), or none where no landmarks are wanted


@dataclass(frozen=True, slots=True, eq=False)
class RunningDetection:
    """A scene, and the detector at work on it."""

    scene: Scene
    outputs: Sequence[Callable[[], Mapping[str, Floats]]]  # of each view; waits for them

    @property
    def source(self) -> str:
        return self.scene.source


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the detector made of a view."""

    height_px: int  # of the view
    width_px: int
    factor: float
    outputs: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """An image, and what the detector made of it."""

    image: Image
    seen: Sequence[Seen]  # the finest first

    @property
    def source(self) -> str:
        return self.image.source


@dataclass(frozen=True, slots=True, eq=False)
class RawValues:
    """The multitask network's outputs as they come, in the bundle's output order."""

    emotion_logits: Floats  # (8,)
    gaze_rad: Floats  # (2,)
    au: Floats  # (8,) in [0,1]


@dataclass(frozen=True, slots=True, eq=False)
class Record(Plain):
    """What is known of one face, or of a picture that is taken for one."""

    source: str
    emotion: str  # lower case
    probabilities: Mapping[str, float]  # by emotion, sum 1
    gaze_rad: Mapping[str, float]  # "yaw" and "pitch"
    aus: Mapping[int, float]  # presence in [0,1] by action unit number, calibrated
    raw: RawValues
    box: tuple[float, float, float, float] | None  # None where the whole picture was the face
    confidence: float | None  # of the box
    landmarks: Floats | None  # (N,2) x, y in pixels of the picture
    damage: str = ""  # what is wrong with the file, though it was decoded
    points: Floats | None = None  # (5,2) x, y in pixels, of the box: eyes, nose, mouth corners
    faces: int | None = None  # found in the picture; None where nobody looked
    face: int = 0  # which of them this is, by confidence
    remarks: tuple[str, ...] = ()  # words of `of3.runtime.remarks`
    size_px: tuple[int, int] | None = None  # width, height of the picture; None where it was never there


@dataclass(frozen=True, slots=True, eq=False)
class Analysis(Plain):
    """What is known of a picture: all its faces."""

    source: str
    size_px: tuple[int, int]  # width, height
    faces: tuple[Record, ...]  # by confidence, the best first
    failed: tuple[Failure, ...]  # faces of which nothing could be cut out, or whose numbers cannot be
    taken: Record | Failure  # what a picture gives where it is asked for one face
    damage: str = ""  # what is wrong with the file, though it was decoded

    @property
    def best(self) -> Record | None:
        """The face that is taken where one is asked for; None where there is none, or it failed."""
        return self.taken if isinstance(self.taken, Record) else None


@dataclass(frozen=True, slots=True, eq=False)
class RunningBatch(Generic[K]):
    """Pictures with their keys, and the networks at work on them."""

    items: Sequence[tuple[K, Sample | Failure]]
    faces: Callable[[], Mapping[str, Floats]]  # waits for them
    points: Callable[[], Mapping[str, Floats]]


@dataclass(frozen=True, slots=True, eq=False)
class Analysed(Generic[K]):
    """Pictures with their keys, and what the networks made of the samples among them."""

    items: Sequence[tuple[K, Sample | Failure]]
    faces: Mapping[str, Floats]
    points: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Moment:
    """Which frame of a video."""

    frame: int  # in the source, from 0
    time_s: float  # since the stream's start
    time_source: str  # a word of `of3.runtime.sources.clock`


@dataclass(frozen=True, slots=True, eq=False)
class SeenFrame:
    """A frame of a video, and what was found in it by itself."""

    moment: Moment
    faces: tuple[Record, ...]  # the best first
    failure: Failure | None  # where there is no face: why
    is_cut: bool = False  # another scene begins with it
