"""A bundle on disk: `bundle.json` read strictly, model files checked against their digests."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

MANIFEST = "bundle.json"
FORMAT = "of3-bundle"
REVISION = 2
MAX_MANIFEST_BYTES = 16 << 20
MAX_FILE_BYTES = 4 << 30
MAX_NUMBER = 1e30
PUBLISHED = "published"  # what is said of weights that are

T = TypeVar("T")


class BundleError(Exception):
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
                f"want {self.size_bytes}: the file changed since the export, run `of3 export --force`"
            )
        got = hashlib.sha256(content).hexdigest()
        if got != self.sha256:
            raise BundleError(
                f"{self.path}: got sha256 {got[:12]}…, want {self.sha256[:12]}…: "
                "the file changed since the export, run `of3 export --force`"
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
class ModelCard:
    name: str
    input: InputCard
    outputs: tuple[OutputCard, ...]
    files: Mapping[str, ModelFile]  # by precision
    check: CheckCard
    substitutes: Mapping[str, Substitute]  # by the precision asked for


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

    def model(self, name: str) -> ModelCard:
        """The card of a model.  Raises BundleError when the bundle was made without it."""
        if name not in self.models:
            raise BundleError(f"{self.folder}: got models {', '.join(self.models)}, want {name}")
        return self.models[name]


def read_bundle(folder: Path) -> Bundle:
    """`folder`/bundle.json -> Bundle.  Model files are checked when they are read, not here.

    Raises BundleError: no such bundle, not one of ours, another revision, a field missing or of the wrong type.
    """
    manifest = folder / MANIFEST
    content = read_plain(manifest, MAX_MANIFEST_BYTES)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{manifest}: larger than {MAX_MANIFEST_BYTES} bytes, not a bundle's")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{manifest}: not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BundleError(f"{manifest}: not a bundle of of3, `format` is not {FORMAT!r}")
    if document.get("revision") != REVISION:
        raise BundleError(
            f"{manifest}: got bundle revision {document.get('revision')}, this runtime reads {REVISION}: "
            "run `of3 export --force`"
        )
    return _bundle(folder, hashlib.sha256(content).hexdigest(), Field(document, str(manifest)))


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


@dataclass(frozen=True, slots=True)
class Field:
    """A JSON value and the place it stands at, so that what is missing can be named."""

    value: Any
    place: str

    def __getitem__(self, key: str) -> "Field":
        if not isinstance(self.value, dict) or key not in self.value:
            raise BundleError(f"{self.place}: `{key}` is missing")
        return Field(self.value[key], f"{self.place}: {key}")

    def of(self, kind: type[T]) -> T:
        if not isinstance(self.value, kind):
            raise BundleError(f"{self.place}: got {type(self.value).__name__}, want {kind.__name__}")
        return self.value

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise BundleError(f"{self.place}: got {type(self.value).__name__}, want a number")
        if not -MAX_NUMBER < self.value < MAX_NUMBER:
            raise BundleError(f"{self.place}: got {self.value}, want a number below {MAX_NUMBER:g}")
        return float(self.value)

    def each(self) -> list["Field"]:
        return [Field(value, f"{self.place}[{i}]") for i, value in enumerate(self.of(list))]

    def items(self) -> list[tuple[str, "Field"]]:
        return [(key, Field(value, f"{self.place}: {key}")) for key, value in self.of(dict).items()]


def _bundle(folder: Path, digest: str, document: Field) -> Bundle:
    labels = document["labels"]
    return Bundle(
        folder=folder,
        digest=digest,
        is_stand_in=document["stand_in"].of(bool),
        labels=Labels(
            emotions=tuple(label.of(str) for label in labels["emotions"].each()),
            aus=tuple(label.of(int) for label in labels["aus"].each()),
            gaze=tuple(label.of(str) for label in labels["gaze"].each()),
            gaze_measured=tuple(label.of(str) for label in labels["gaze_measured"].each()),
        ),
        models={name: _model(folder, name, card) for name, card in document["models"].items()},
        weights={each["file"].of(str): each["status"].of(str) for each in document["weights"].each()},
    )


def _model(folder: Path, name: str, card: Field) -> ModelCard:
    source = card["input"]
    return ModelCard(
        name=name,
        input=InputCard(
            name=source["name"].of(str),
            shape=_shape(source["shape"]),
            color_order=source["color_order"].of(str),
            scale=source["scale"].number(),
            mean=tuple(value.number() for value in source["mean"].each()),
            std=tuple(value.number() for value in source["std"].each()),
        ),
        outputs=tuple(
            OutputCard(
                name=output["name"].of(str),
                shape=_shape(output["shape"]),
                meaning=output["meaning"].of(str),
                unit=output["unit"].of(str),
            )
            for output in card["outputs"].each()
        ),
        files={precision: _file(folder, file) for precision, file in card["files"].items()},
        check=CheckCard(
            file=_file(folder, card["self_check"]),
            bounds={
                precision: {output: bound.number() for output, bound in bounds.items()}
                for precision, bounds in card["self_check"]["bounds"].items()
            },
        ),
        substitutes={
            asked: Substitute(entry["precision"].of(str), entry["reason"].of(str))
            for asked, entry in card["substitutes"].items()
        },
    )


def _file(folder: Path, entry: Field) -> ModelFile:
    size = entry["bytes"].of(int)
    if not 0 <= size <= MAX_FILE_BYTES:
        raise BundleError(f"{entry.place}: got {size} bytes, want at most {MAX_FILE_BYTES}")
    return ModelFile(folder / _plain_name(entry["path"]), entry["sha256"].of(str), size)


def _shape(field: Field) -> tuple[int | str, ...]:
    return tuple(side.value if isinstance(side.value, int) else side.of(str) for side in field.each())


def _plain_name(field: Field) -> str:
    """A file name inside the bundle: a path that could leave the folder is refused."""
    name = field.of(str)
    if Path(name).name != name or name in ("", "..") or "\0" in name:
        raise BundleError(f"{field.place}: got {name!r}, want a plain file name")
    return name
