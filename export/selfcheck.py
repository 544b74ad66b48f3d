"""What a bundle keeps so that an engine can be checked where it runs: pictures, fp32 outputs, bounds."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from of3.engines.selfcheck import PIXELS
from of3.export.models import Model
from of3.export.observe import AUTOCAST, Observed

ROWS = 10
# Of an output's largest value.  fp32 engines differ by the order of their sums; TF32 keeps 10 bits of
# mantissa, and in low precision an edge of the AU graph may fall otherwise than in the emulation.
FP32_SHARE, LOW_SHARE = 1e-3, 0.05
LOW_FACTOR = 4.0  # of the largest drift seen in emulation


def write_self_check(folder: Path, model: Model, observed: Observed) -> dict[str, Any]:
    """`<model>.check.npz`, and its entry in the manifest."""
    names = [output.name for output in model.outputs]
    arrays: dict[str, Any] = {name: observed.outputs["fp32"][name][:ROWS] for name in names}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays | {PIXELS: observed.pixels[:ROWS]})
    path = folder / f"{model.name}.check.npz"
    path.write_bytes(buffer.getvalue())
    return {
        "path": path.name,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "bytes": len(buffer.getvalue()),
        "bounds": bounds(names, observed),
    }


def bounds(names: list[str], observed: Observed) -> dict[str, Mapping[str, float]]:
    """Largest difference from fp32 that an engine of each precision may show, by output."""
    want = observed.outputs["fp32"]
    largest = {name: float(np.abs(want[name]).max()) for name in names}
    found: dict[str, Mapping[str, float]] = {
        "fp32": {name: FP32_SHARE * value for name, value in largest.items()},
        "tf32": {name: LOW_SHARE * value for name, value in largest.items()},
    }
    for variant, got in observed.outputs.items():
        if variant not in ("fp32", AUTOCAST):
            drift = {name: float(np.abs(got[name] - want[name]).max()) for name in names}
            found[variant] = {name: max(LOW_FACTOR * drift[name], LOW_SHARE * largest[name]) for name in names}
    return found
