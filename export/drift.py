"""How far low precision takes each number from fp32, on pictures, measured on any machine."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from of3.engines.base import Floats
from of3.engines.bundle import Substitute
from of3.export.networks.multitask import Multitask, adjacency, product_similarity
from of3.export.observe import AU_FEATURE, SIMILARITY, Observed, Outputs
from of3.runtime.vision import detect

PATCH_PX = 256  # of the landmark network
MAX_LANDMARK_DRIFT_PX = 0.5


@dataclass(frozen=True, slots=True)
class Drift:
    """Absolute difference of one quantity from fp32 over all pictures and components, in `unit`."""

    model: str
    variant: str
    quantity: str
    unit: str
    pictures: int
    median: float
    p99: float
    largest: float


@dataclass(frozen=True, slots=True)
class Changed:
    """Share [0,1] of `of` things on which a variant decides otherwise than fp32."""

    model: str
    variant: str
    quantity: str
    of: int
    share: float


def drift_of(model: str, module: nn.Module, observed: Observed) -> list[Drift | Changed]:
    """Every variant of `observed` against its fp32."""
    want = observed.outputs["fp32"]
    found: list[Drift | Changed] = []
    for variant, got in observed.outputs.items():
        if variant == "fp32":
            continue
        for quantity, unit, difference in _differences(model, want, got, observed.pixels.shape[1]):
            found.append(_drift(model, variant, quantity, unit, len(observed.pixels), difference))
        if isinstance(module, Multitask):
            found += _head(model, variant, module, want, got)
    return found


def _drift(model: str, variant: str, quantity: str, unit: str, pictures: int, difference: Floats) -> Drift:
    median, p99 = np.percentile(difference, [50, 99])
    return Drift(model, variant, quantity, unit, pictures, float(median), float(p99), float(difference.max()))


def _differences(model: str, want: Outputs, got: Outputs, side_px: int) -> list[tuple[str, str, Floats]]:
    """Quantity, unit, absolute differences."""
    if model == "detector":
        faces = _faces(want["conf"][..., 1])
        # Priors in pixels about their own centre, so that nothing is lost to where they are.
        scale = np.array([0, 0, side_px, side_px], np.float32)
        prior = detect.priors(side_px, side_px)[np.nonzero(faces)[1]] * scale
        boxes = [detect.decode_boxes(outputs["loc"][faces], prior) for outputs in (want, got)]
        moved = boxes[1] - boxes[0]
        scores = got["conf"][faces] - want["conf"][faces]
        return [("box", "px", np.abs(moved)), ("confidence", "probability", np.abs(scores))]
    if model == "landmarks":
        moved = (got["landmarks"] - want["landmarks"]) * (PATCH_PX / 2)
        return [("landmarks", f"px of the {PATCH_PX} px patch", np.linalg.norm(moved, axis=-1))]
    units = {"emotion_logits": "logit", "gaze_rad": "rad", "au": "presence"}
    return [(name, unit, np.abs(got[name] - want[name])) for name, unit in units.items()]


def _faces(scores: Floats) -> NDArray[np.bool_]:
    """(N,P) face scores -> the priors that are looked at: all of at least 0.5, and each picture's best."""
    chosen = scores >= detect.MIN_CONFIDENCE
    chosen[np.arange(len(scores)), scores.argmax(axis=1)] = True
    return chosen


def _head(model: str, variant: str, module: Multitask, want: Outputs, got: Outputs) -> list[Drift | Changed]:
    """What the decisions of the heads make of a variant, and what of it is the AU head's own precision."""
    exact = exact_head(module, got[AU_FEATURE])
    changed = want["emotion_logits"].argmax(1) != got["emotion_logits"].argmax(1)
    rows = _edges(got[SIMILARITY])
    marked = {
        "emotion_labels_changed": changed,
        "adjacency_rows_flipped": (rows != _edges(want[SIMILARITY])).any(-1),
        "adjacency_rows_flipped_by_head": (rows != _edges(exact[SIMILARITY])).any(-1),
    }
    by_head = np.abs(got["au"] - exact["au"])
    return [
        _drift(model, variant, "au_by_head", "presence", len(by_head), by_head),
        *(
            Changed(model, variant, name, int(marks.size), float(marks.mean()))
            for name, marks in marked.items()
        ),
    ]


def _edges(similarity: Floats) -> NDArray[np.bool_]:
    edges: NDArray[np.bool_] = adjacency(torch.from_numpy(similarity)).numpy() > 0
    return edges


@torch.inference_mode()
def exact_head(module: Multitask, feature: Floats) -> Outputs:
    """Feature (N,1280) as a variant computed it -> what float64 makes of it from there on."""
    head = copy.deepcopy(module.au_regressor).double()
    exact = torch.from_numpy(feature).double()
    nodes = torch.stack([layer(exact) for layer in head.class_linears], dim=1)
    return {SIMILARITY: product_similarity(nodes).numpy(), "au": head(exact).numpy()}


def document(found: Sequence[Drift | Changed]) -> dict[str, dict[str, Mapping[str, object]]]:
    """By variant, then quantity, as bundle.json holds it."""
    variants: dict[str, dict[str, Mapping[str, object]]] = {}
    for entry in found:
        if isinstance(entry, Drift):
            figures: dict[str, object] = {
                "unit": entry.unit,
                "pictures": entry.pictures,
                "median": entry.median,
                "p99": entry.p99,
                "max": entry.largest,
            }
        else:
            figures = {"share": entry.share, "of": entry.of}
        variants.setdefault(entry.variant, {})[entry.quantity] = figures
    return variants


def table(found: Sequence[Drift | Changed]) -> str:
    """The drift as text, one quantity a line."""
    head = f"{'drift from fp32':<20} {'quantity':<31} {'median':>9} {'p99':>9}  unit"
    lines = [head]
    for entry in found:
        start = f"{entry.variant:<20} {entry.quantity:<31}"
        if isinstance(entry, Drift):
            lines.append(f"{start} {entry.median:>9.2e} {entry.p99:>9.2e}  {entry.unit}")
        else:
            lines.append(f"{start} {entry.share:>9.1%} {'':>9}  of {entry.of}")
    return "\n".join(lines)


def substitutes(
    model: str, found: Sequence[Drift | Changed], precisions: Sequence[str]
) -> dict[str, Substitute]:
    """What runs where landmarks are asked for in a precision that moves them too far; nothing else has one."""
    moved = [
        entry
        for entry in found
        if isinstance(entry, Drift)
        and entry.model == model
        and entry.quantity == "landmarks"
        and entry.variant == "bf16"
        and not entry.p99 <= MAX_LANDMARK_DRIFT_PX
    ]
    instead = "fp16" if "fp16" in precisions else "fp32"
    return {
        entry.variant: Substitute(
            instead,
            f"{entry.variant} moves points by {entry.p99:.2f} {entry.unit} (99th percentile, measured at the "
            f"export), more than {MAX_LANDMARK_DRIFT_PX} px",
        )
        for entry in moved
    }
