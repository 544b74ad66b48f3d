"""What a pipeline does, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from of3.engines.registry import PRECISIONS, misfit
from of3.runtime.types import RunError

Resize = float | Literal["auto"]  # the detector's pixels for one of the picture's; auto: at several sizes

# Pillow's limit: a 389 KB PNG can otherwise claim 2.3 GB.
MAX_PIXELS = 178_956_970
# OpenCV's own limit, which it reads once, when cv2 is imported.  It is beyond ours a second net, for what cv2
# decodes though we cannot read its header; a PNG, WebP or BMP larger than it needs it raised before the import.
MAX_PIXELS_VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"
MOST_RESIZE = 1000.0  # of the detector: beyond it no picture of 3 pixels could be searched
Faces = int | Literal["best", "all"]  # of a picture: one, every one, or the best so many

# What each setting may be.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "device": ("cpu", "cuda"),
    "precision": PRECISIONS,
    "gaze_order": ("seed", "measured"),
    "best_face": ("score", "larger"),
}
SWITCHES = ("require", "tf32", "detect", "landmarks", "reject_damaged")
LEAST: Mapping[str, int] = {  # of whole numbers
    "max_pixels": 1,
    **dict.fromkeys(("memory_bytes", "batch", "workers", "parallel_runs", "cores"), 0),
}


class SettingsError(RunError, ValueError):
    """A setting is none that there is, or does not go with another."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a pipeline does.  Zero means "as many as suit the machine".

    Raises SettingsError, which is a ValueError, at once: never when the pipeline is opened.
    """

    device: str = "cpu"  # "cuda" falls back to "cpu"
    engine: str = "auto"  # or "tensorrt", "cuda", "openvino", "cpu", "plugin:NAME": where to begin
    require: bool = False  # no falling back
    precision: str = "fp32"  # of GPU engines; with device "cpu" also of OpenVINO
    tf32: bool = False  # of GPU engines: fp32 products may be rounded to TF32
    gaze_order: str = "seed"  # or "measured", where the export found one
    detect: bool = False  # find the face first; otherwise a picture is a face
    landmarks: bool = False
    detector_resize: Resize = 1.0  # "auto": at every size at which a face of this picture can be seen
    best_face: str = "score"  # or "larger", where the best scores are alike
    max_pixels: int = MAX_PIXELS  # larger pictures fail before they are decoded
    reject_damaged: bool = False  # a damaged JPEG fails even where it can be decoded
    memory_bytes: int = 0  # for the pictures under way; 0: a quarter of what there is, 2 GB at most
    batch: int = 0
    workers: int = 0
    # CPU runs side by side, one core each: most pictures a second.  1: one run at a time on all cores, the
    # least time for one picture.
    parallel_runs: int = 0
    cores: int = 0  # that may be kept busy

    def __post_init__(self) -> None:
        for name, wanted in CHOICES.items():
            check(self, name, is_one_of(getattr(self, name), wanted), f"one of {', '.join(wanted)}")
        for name in SWITCHES:
            check(self, name, isinstance(getattr(self, name), bool), "True or False")
        for name, least in LEAST.items():
            check(self, name, is_count(getattr(self, name), least), f"a whole number from {least} on")
        resize = self.detector_resize
        is_resize = is_one_of(resize, ("auto",)) or (is_number(resize, 0, MOST_RESIZE) and resize != 0)
        check(self, "detector_resize", is_resize, f"a number above 0, {MOST_RESIZE:g} at most, or 'auto'")
        check(self, "engine", isinstance(self.engine, str), "a name")
        try:
            why = misfit(self.device, self.engine)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        if why:
            raise SettingsError(why)


def check(record: object, name: str, is_well: bool, want: str) -> None:
    """Raise SettingsError unless a field of a record is what it must be."""
    if not is_well:
        raise SettingsError(f"got {name}={getattr(record, name)!r}, want {want}")


def is_one_of(value: Any, words: Sequence[str]) -> bool:
    return isinstance(value, str) and value in words


def is_count(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_number(value: Any, least: float, most: float) -> bool:
    """Whole ones are compared as they are: a float may be too small for them."""
    number: Any = value
    return isinstance(value, Real) and not isinstance(value, bool) and bool(least <= number <= most)
