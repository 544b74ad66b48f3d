"""bundle.json -> Bundle, read strictly: what would break later, or make wrong numbers, is refused here.

What the numbers of faces need of labels and outputs is `of3.runtime.bundle`'s to know.
"""

import hashlib
import math
import re
from pathlib import Path

from of3.engines.bundle import (
    PUBLISHED,
    REMEDY,
    Bundle,
    BundleError,
    CheckCard,
    Cut,
    Head,
    InputCard,
    Labels,
    ModelCard,
    ModelFile,
    OutputCard,
    Substitute,
    read_plain,
)
from of3.engines.field import Field, distinct, parsed, shown
from of3.engines.registry import PRECISIONS

MANIFEST = "bundle.json"
FORMAT = "of3-bundle"
REVISION = 2

MAX_MANIFEST_BYTES = 16 << 20
MAX_FILE_BYTES = 4 << 30
MAX_SIDE = 1 << 16
MAX_VALUES = 1 << 24  # of an input or output, free sides taken as 1
MAX_RANK = 8
MAX_AU = 999
LEAST_FACTOR, MOST_FACTOR = 1e-6, 1e6  # of scale and std, whose quotients must stay numbers of float32
LABEL = re.compile(r"\w(?:[\w -]{0,62}\w)?")  # what cells of tables and names of columns can hold
SHA256 = re.compile(r"[0-9a-f]{64}")
VARIANTS = (*PRECISIONS, "tf32")  # what an engine may run in, and has a bound for


def read_bundle(folder: Path) -> Bundle:
    """`folder`/bundle.json -> Bundle.  Model files are checked when they are read, not here.

    Raises BundleError: no such bundle, not one of ours, another revision, a field missing, of the wrong type
    or of a value that no export writes.
    """
    manifest = folder / MANIFEST
    content = read_plain(manifest, MAX_MANIFEST_BYTES)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{manifest}: larger than {MAX_MANIFEST_BYTES} bytes, not a bundle's")
    try:
        document = parsed(content)
    except ValueError as error:
        raise BundleError(f"{manifest}: not JSON ({error}): {REMEDY}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BundleError(f"{manifest}: not a bundle of of3, `format` is not {FORMAT!r}")
    if type(document.get("revision")) is not int or document["revision"] != REVISION:
        got = shown(document.get("revision"))
        raise BundleError(f"{manifest}: got bundle revision {got}, this runtime reads {REVISION}: {REMEDY}")
    try:
        return _bundle(folder, hashlib.sha256(content).hexdigest(), Field(document, str(manifest)))
    except ValueError as error:
        raise BundleError(f"{error}: {REMEDY}") from error


def _bundle(folder: Path, digest: str, document: Field) -> Bundle:
    models = {name: _model(folder, name, card) for name, card in document["models"].items()}
    if not models:
        raise document["models"].refused("one model at least")
    return Bundle(
        folder=folder,
        digest=digest,
        is_stand_in=document["stand_in"].of(bool),
        labels=_labels(document["labels"]),
        models=models,
        weights={
            each["file"].text(): each["status"].one_of(PUBLISHED, "unknown", "stand-in")
            for each in document["weights"].each()
        },
        digests={each["file"].text(): _digest(each["sha256"]) for each in document["weights"].each()},
    )


def _labels(labels: Field) -> Labels:
    return Labels(
        emotions=_names(labels["emotions"]),
        aus=distinct(labels["aus"], tuple(label.whole(1, MAX_AU) for label in labels["aus"].each())),
        gaze=_names(labels["gaze"]),
        gaze_measured=_names(labels["gaze_measured"]),
    )


def _names(field: Field) -> tuple[str, ...]:
    """Labels, told apart in lower case too, as tables have them."""
    names = tuple(label.of(str) for label in field.each())
    for name in names:
        if not LABEL.fullmatch(name):
            raise ValueError(f"{field.place}: got {shown(name)}, want a label of letters and digits")
    distinct(field, tuple(name.lower() for name in names))
    return names


def _model(folder: Path, name: str, card: Field) -> ModelCard:
    source = _input(card["input"])
    outputs = tuple(_output(output, source) for output in card["outputs"].each())
    if not outputs:
        raise card["outputs"].refused("one output at least")
    distinct(card["outputs"], (source.name, *(output.name for output in outputs)))
    files = {
        Field(precision, f"{card.place}: files").one_of(*PRECISIONS): _file(folder, file)
        for precision, file in card["files"].items()
    }
    if "fp32" not in files:
        raise ValueError(f"{card.place}: files: `fp32` is missing, which every bundle holds")
    return ModelCard(
        name=name,
        input=source,
        outputs=outputs,
        files=files,
        check=_check(folder, card["self_check"], files, outputs),
        substitutes={asked: _substitute(asked, entry, files) for asked, entry in card["substitutes"].items()},
        # Bundles of this revision that were made before there were cuts are good for all else.
        cut=_cut(folder, card["cut"], source, outputs) if "cut" in card.of(dict) else None,
    )


def _input(source: Field) -> InputCard:
    source["dtype"].one_of("float32")
    shape = _shape(source["shape"])
    if len(shape) != 4 or shape[1] != 3:
        raise source["shape"].refused("(a name, 3, height, width)")
    return InputCard(
        name=source["name"].text(),
        shape=shape,
        color_order=source["color_order"].one_of("BGR", "RGB"),
        scale=source["scale"].number(LEAST_FACTOR, MOST_FACTOR),
        mean=_by_channel(source["mean"], -MOST_FACTOR, MOST_FACTOR),
        std=_by_channel(source["std"], LEAST_FACTOR, MOST_FACTOR),
    )


def _by_channel(field: Field, least: float, most: float) -> tuple[float, ...]:
    numbers = tuple(value.number(least, most) for value in field.each())
    if len(numbers) != 3:
        raise field.refused("three numbers, one a channel")
    return numbers


def _output(output: Field, source: InputCard) -> OutputCard:
    shape = _shape(output["shape"])
    if shape[0] != source.shape[0]:
        raise output["shape"].refused(f"{source.shape[0]!r} first, as the input has it")
    return OutputCard(output["name"].text(), shape, output["meaning"].text(), output["unit"].text())


def _shape(field: Field) -> tuple[int | str, ...]:
    """Of two sides or more, the first of them a name: batches are free."""
    shape = tuple(
        side.text() if isinstance(side.value, str) else side.whole(1, MAX_SIDE) for side in field.each()
    )
    if not 2 <= len(shape) <= MAX_RANK or not isinstance(shape[0], str):
        raise field.refused(f"a name, then up to {MAX_RANK - 1} sides")
    distinct(field, tuple(side for side in shape if isinstance(side, str)))
    if math.prod(side for side in shape if isinstance(side, int)) > MAX_VALUES:
        raise field.refused(f"at most {MAX_VALUES} values")
    return shape


def _check(
    folder: Path, entry: Field, files: dict[str, ModelFile], outputs: tuple[OutputCard, ...]
) -> CheckCard:
    """A bound for every output in every precision there is a file of, and in TF32, which fp32 may run in."""
    for precision, _ in entry["bounds"].items():
        Field(precision, f"{entry.place}: bounds").one_of(*VARIANTS)
    return CheckCard(
        file=_file(folder, entry),
        bounds={
            precision: {
                output.name: entry["bounds"][precision][output.name].number(least=0) for output in outputs
            }
            for precision in (*files, "tf32")
        },
    )


def _cut(folder: Path, entry: Field, source: InputCard, outputs: tuple[OutputCard, ...]) -> Cut:
    head = entry["head"]
    if head.value is None:
        return Cut(_file(folder, entry["body"]), None)
    joint = _output(head["joint"], source)
    distinct(head["joint"], (source.name, joint.name, *(output.name for output in outputs)))
    named = tuple(name.one_of(*(output.name for output in outputs)) for name in head["outputs"].each())
    if not named:
        raise head["outputs"].refused("one output at least")
    return Cut(_file(folder, entry["body"]), Head(_file(folder, head), joint, distinct(head["outputs"], named)))


def _substitute(asked: str, entry: Field, files: dict[str, ModelFile]) -> Substitute:
    Field(asked, entry.place).one_of(*(precision for precision in PRECISIONS if precision != "fp32"))
    others = (precision for precision in files if precision != asked)
    return Substitute(entry["precision"].one_of(*others), entry["reason"].text())


def _file(folder: Path, entry: Field) -> ModelFile:
    name, digest = _plain_name(entry["path"]), _digest(entry["sha256"])
    return ModelFile(folder / name, digest, entry["bytes"].whole(1, MAX_FILE_BYTES))


def _digest(field: Field) -> str:
    digest = field.of(str)
    if not SHA256.fullmatch(digest):
        raise field.refused("64 hexadecimal digits")
    return digest


def _plain_name(field: Field) -> str:
    """A file name inside the bundle: a path that could leave the folder is refused."""
    name = field.text()
    if Path(name).name != name or name in ("", ".."):
        raise field.refused("a plain file name")
    return name
