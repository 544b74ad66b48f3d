"""A bundle on disk: `bundle.json` read strictly, model files checked against their digests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

MANIFEST = "bundle.json"
FORMAT = "of3-bundle"
REVISION = 2

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

    def read(self) -> bytes:
        """The file's bytes, digest checked.  Raises BundleError when they changed or are gone."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise BundleError(f"{self.path}: {error.strerror}: run `of3 export` again") from error
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
    try:
        content = manifest.read_bytes()
    except OSError as error:
        raise BundleError(f"{manifest}: {error.strerror}") from error
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{manifest}: not JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BundleError(f"{manifest}: not a bundle of of3, `format` is not {FORMAT!r}")
    if document.get("revision") != REVISION:
        raise BundleError(
            f"{manifest}: got bundle revision {document.get('revision')}, this runtime reads {REVISION}: "
            "run `of3 export --force`"
        )
    return _bundle(folder, hashlib.sha256(content).hexdigest(), Field(document, str(manifest)))


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
    return ModelFile(folder / _plain_name(entry["path"]), entry["sha256"].of(str))


def _shape(field: Field) -> tuple[int | str, ...]:
    return tuple(side.value if isinstance(side.value, int) else side.of(str) for side in field.each())


def _plain_name(field: Field) -> str:
    """A file name inside the bundle: a path that could leave the folder is refused."""
    name = field.of(str)
    if Path(name).name != name:
        raise BundleError(f"{field.place}: got {name!r}, want a plain file name")
    return name
