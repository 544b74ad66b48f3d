"""A bundle's records, and its files checked against their digests."""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from of3.engines.errors import Error

PUBLISHED = "published"  # what is said of weights that are
REMEDY = "run `of3 export --force`"


class BundleError(Error):
    """The bundle is missing, foreign, of another revision, incomplete or changed."""


@dataclass(frozen=True, slots=True)
class InputCard:
    """What a model eats: float32 NCHW of `(pixel * scale - mean) / std`, channels in `color_order`."""

    name: str
    shape: tuple[int | str, ...]  # names are free dimensions
    color_order: str  # "BGR" or "RGB"
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def is_free(self) -> bool:
        """Whether more than the batch may vary."""
        return any(isinstance(side, str) for side in self.shape[1:])

    @property
    def gain(self) -> NDArray[np.float32]:
        """By channel: the input is `pixel * gain - offset`."""
        return np.asarray(self.scale / np.array(self.std), np.float32)

    @property
    def offset(self) -> NDArray[np.float32]:
        return np.asarray(np.array(self.mean) / np.array(self.std), np.float32)

    def check(self, batch: NDArray[np.float32]) -> None:
        """Raise ValueError unless the batch has this card's dtype and shape."""
        fits = batch.ndim == len(self.shape) and all(
            isinstance(want, str) or got == want for got, want in zip(batch.shape, self.shape, strict=True)
        )
        if not fits or batch.dtype != np.float32:
            raise ValueError(f"input {self.name}: got {batch.dtype} {batch.shape}, want float32 {self.shape}")


@dataclass(frozen=True, slots=True)
class OutputCard:
    name: str
    shape: tuple[int | str, ...]
    meaning: str
    unit: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    path: Path
    sha256: str
    size_bytes: int

    def read(self) -> bytes:
        """The file's bytes, digest checked.  Raises BundleError when they changed, are gone or are a link.

        The digest is taken of the very bytes that are returned, each time: 0.1 s for 100 MB.
        """
        content = read_plain(self.path, self.size_bytes)
        if len(content) != self.size_bytes:
            raise BundleError(
                f"{self.path}: got {'more' if len(content) > self.size_bytes else len(content)} bytes, "
                f"want {self.size_bytes}: the file changed since the export, {REMEDY}"
            )
        got = hashlib.sha256(content).hexdigest()
        if got != self.sha256:
            raise BundleError(
                f"{self.path}: got sha256 {got[:12]}…, want {self.sha256[:12]}…: "
                f"the file changed since the export, {REMEDY}"
            )
        return content


@dataclass(frozen=True, slots=True)
class CheckCard:
    """Pictures with fp32 outputs, and how far from those an engine may be: by precision, then output."""

    file: ModelFile
    bounds: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Substitute:
    """The precision that runs in the place of one whose measured drift is too large, and why."""

    precision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Head:
    """What of a model must stay float32: an fp32 graph from `joint` to the outputs that it names."""

    file: ModelFile
    joint: OutputCard
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A model in fp32 graphs, for engines that round by themselves whatever the types of a graph.

    The body may be rounded; where nothing must stay float32 it is the whole, and there is no head.
    """

    body: ModelFile
    head: Head | None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """cut: None in bundles without bf16, and in those made before there were any."""

    name: str
    input: InputCard
    outputs: tuple[OutputCard, ...]
    files: Mapping[str, ModelFile]  # by precision
    check: CheckCard
    substitutes: Mapping[str, Substitute]  # by the precision asked for
    cut: Cut | None = None

    def lacks(self, precision: str) -> str:
        """That the bundle was made without a precision, and the remedy."""
        return (
            f"the bundle holds {self.name} as {', '.join(self.files)}, not {precision}: "
            f"run `of3 export --force --precision {precision}`"
        )

    def check_outputs(self, rows: int, outputs: Mapping[str, NDArray[np.float32]]) -> None:
        """Raise ValueError unless the outputs of a batch of `rows` are as this card says.

        A side of one name is as long in every output.  What a graph declares binds no engine: onnxruntime
        gives what comes out, of any length.
        """
        sides: dict[int | str, int] = {self.input.shape[0]: rows}
        for card in self.outputs:
            if card.name not in outputs:
                raise ValueError(f"output {card.name}: got none")
            got = outputs[card.name]
            for name, side in zip(card.shape, got.shape, strict=False):
                if isinstance(name, str):
                    sides.setdefault(name, side)
            want = tuple(side if isinstance(side, int) else sides.get(side, 0) for side in card.shape)
            if got.shape != want or got.dtype != np.float32:
                raise ValueError(f"output {card.name}: got {got.dtype} {got.shape}, want float32 {want}")


@dataclass(frozen=True, slots=True)
class Labels:
    """What the numbers are called, in output order."""

    emotions: tuple[str, ...]
    aus: tuple[int, ...]
    gaze: tuple[str, ...]
    gaze_measured: tuple[str, ...] = ()  # by the mirror test of an export; empty where undetermined


@dataclass(frozen=True, slots=True)
class Bundle:
    folder: Path
    digest: str  # sha256 of bundle.json, which holds the digests of everything else
    is_stand_in: bool
    labels: Labels
    models: Mapping[str, ModelCard]
    weights: Mapping[str, str]  # file -> "published", "unknown" or "stand-in"
    digests: Mapping[str, str] = field(default_factory=dict)  # the same files -> sha256

    def model(self, name: str) -> ModelCard:
        """The card of a model.  Raises BundleError when the bundle was made without it."""
        if name not in self.models:
            raise BundleError(f"{self.folder}: got models {', '.join(self.models)}, want {name}")
        return self.models[name]


def read_plain(path: Path, most_bytes: int) -> bytes:
    """A regular file, a byte more than `most_bytes` at most.  Raises BundleError: missing, or no plain file."""
    try:
        # O_NONBLOCK: a named pipe must not hang the start.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BundleError(f"{path}: not a regular file")
            return file.read(most_bytes + 1)
    except OSError as error:
        reason = "a link, want the file itself" if path.is_symlink() else error.strerror
        raise BundleError(f"{path}: {reason}: run `of3 export`") from error
