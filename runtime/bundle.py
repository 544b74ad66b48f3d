"""A bundle that this runtime can use: read, and checked for what the tables' columns and the stages need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from of3.engines.bundle import PUBLISHED, REMEDY, Bundle, BundleError, Labels, ModelCard
from of3.engines.manifest import MANIFEST, read_bundle
from of3.runtime.settings import SettingsError

AUS = (1, 2, 4, 6, 9, 12, 25, 26)  # columns of the tables, and the reference pictures
GAZE = ("pitch", "yaw")
POINTS = frozenset({68, 98})  # of the landmark networks there are
Sides = tuple[int | str, ...]  # names are sides that are free
Wanted = tuple[int | str | frozenset[int], ...]
INPUTS: dict[str, Sides] = {
    "multitask": (3, 224, 224),
    "landmarks": (3, 256, 256),
    "detector": (3, "height", "width"),
}


def open_bundle(folder: Path) -> Bundle:
    """The bundle in a folder.  Raises BundleError as `read_bundle` does, and where it is not made for faces."""
    bundle = read_bundle(folder)
    for problem in _problems(bundle):
        raise BundleError(f"{folder / MANIFEST}: {problem}: {REMEDY}")
    return bundle


def labels_of(bundle: Bundle, gaze_order: str) -> Labels:
    """Its labels, with the order of gaze asked for: "measured", where there is one, or as the seed has it."""
    measured = bundle.labels.gaze_measured
    return replace(bundle.labels, gaze=measured) if gaze_order == "measured" and measured else bundle.labels


def points_of(bundle: Bundle) -> int:
    """Landmarks of a face, 0 where there is no network for them."""
    card = bundle.models.get("landmarks")
    sides = [output.shape[1] for output in card.outputs if output.name == "landmarks"] if card else []
    return next((side for side in sides if isinstance(side, int)), 0)


def documented_order(units: Sequence[int]) -> dict[int, int]:
    """Action unit -> output: output k is the k-th unit."""
    return {unit: index for index, unit in enumerate(units)}


def order_of(units: Sequence[int], asked: Mapping[int, int] | None) -> Mapping[int, int]:
    """Action unit -> output, as asked or as documented.  Raises SettingsError: not an output for each unit."""
    if asked is None:
        return documented_order(units)
    is_whole = isinstance(asked, Mapping) and asked.keys() == set(units)
    if not is_whole or not set(asked.values()) <= set(range(len(units))):
        wanted = f"0 to {len(units) - 1} for each of AU {', '.join(map(str, units))}"
        raise SettingsError(f"got au_to_index={asked!r}, want an output, {wanted}")
    return asked


def is_published(bundle: Bundle) -> bool:
    """Whether it was made of the published weights, all of it."""
    return not bundle.is_stand_in and all(status == PUBLISHED for status in bundle.weights.values())


def weights_of(bundle: Bundle) -> str:
    """Whose numbers they are, in a line."""
    if bundle.is_stand_in:
        return "STAND-IN WEIGHTS: the numbers mean nothing about faces"
    others = [file for file, status in bundle.weights.items() if status != PUBLISHED]
    if others:
        return f"weights: NOT the published ones: {', '.join(others)}"
    return f"weights: as published, bundle {bundle.digest[:12]}"


def _problems(bundle: Bundle) -> Iterator[str]:
    labels = bundle.labels
    if not labels.emotions:
        yield "labels: emotions: got none, want one at least"
    if tuple(sorted(labels.aus)) != AUS:
        yield f"labels: aus: got {list(labels.aus)}, want each of {list(AUS)}"
    if tuple(sorted(labels.gaze)) != GAZE:
        yield f"labels: gaze: got {list(labels.gaze)}, want yaw and pitch"
    if tuple(sorted(labels.gaze_measured)) not in ((), GAZE):
        yield f"labels: gaze_measured: got {list(labels.gaze_measured)}, want yaw and pitch, or none"
    for name, card in bundle.models.items():
        if name in INPUTS:
            yield from _misfits(card, labels)


def _outputs(labels: Labels) -> dict[str, dict[str, Wanted]]:
    """Rows of each output, by model."""
    return {
        "multitask": {
            "emotion_logits": (len(labels.emotions),),
            "gaze_rad": (len(labels.gaze),),
            "au": (len(labels.aus),),
        },
        "landmarks": {"landmarks": (POINTS, 2)},
        "detector": {"loc": ("priors", 4), "conf": ("priors", 2), "landms": ("priors", 10)},
    }


def _misfits(card: ModelCard, labels: Labels) -> Iterator[str]:
    place = f"models: {card.name}"
    if card.input.shape[1:] != INPUTS[card.name]:
        yield f"{place}: input: shape: got {card.input.shape}, want {INPUTS[card.name]} of each picture"
    found = {output.name: output.shape for output in card.outputs}
    for name, want in _outputs(labels)[card.name].items():
        if name not in found:
            yield f"{place}: outputs: got {', '.join(found)}, want {name} among them"
        elif not _fits(found[name][1:], want):
            yield f"{place}: outputs: {name}: shape: got {found[name]}, want {_said(want)} of each picture"


def _fits(got: Sides, want: Wanted) -> bool:
    return len(got) == len(want) and all(
        a in b if isinstance(b, frozenset) else a == b for a, b in zip(got, want, strict=True)
    )


def _said(want: Wanted) -> str:
    sides = (sorted(side) if isinstance(side, frozenset) else [side] for side in want)
    return f"({', '.join(' or '.join(map(str, each)) for each in sides)})"
