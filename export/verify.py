"""PyTorch against the engine that will run, on pictures: the largest difference, and the bound it must keep."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from of3.engines.base import Engine, Floats
from of3.engines.errors import Error
from of3.export.models import Model
from of3.runtime.types import Pixels

BATCH = 8
# The detector's sizes: a multiple of 32, and two that make every pyramid level round up.
DETECTOR_SIZES_PX = ((160, 160), (97, 131), (241, 322))


class ExportRefused(Error):
    """The exported graph differs from PyTorch by more than its bound."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest absolute differences of one output, in `unit`."""

    model: str
    output: str
    unit: str
    pictures: int
    from_pytorch: float
    batch_1_from_8: float
    bound: float
    largest: float  # absolute value of the output, for scale

    @property
    def is_within(self) -> bool:
        """False for NaN too."""
        return self.from_pytorch <= self.bound and self.batch_1_from_8 <= self.bound


def verify(model: Model, module: nn.Module, engine: Engine, pictures: Sequence[Pixels]) -> list[Difference]:
    """Every output of `engine` against `module` in evaluation mode, at batch 1 and 8."""
    sizes = DETECTOR_SIZES_PX if "height" in model.input.shape else (model.example[2:],)
    inputs = [_batch(model, pictures, size) for size in sizes]
    want = [torch_outputs(model, module, batch) for batch in inputs]
    single = [_chunked(engine.run, batch, 1) for batch in inputs]
    joint = [_chunked(engine.run, batch, BATCH) for batch in inputs]
    return [
        Difference(
            model=model.name,
            output=output.name,
            unit=output.unit,
            pictures=len(pictures),
            from_pytorch=max(_worst(want, single, output.name), _worst(want, joint, output.name)),
            batch_1_from_8=_worst(single, joint, output.name),
            bound=model.bounds[output.name],
            largest=max(float(np.abs(outputs[output.name]).max()) for outputs in want),
        )
        for output in model.outputs
    ]


def refuse_beyond_bounds(differences: Sequence[Difference]) -> None:
    """Raises ExportRefused naming every output beyond its bound."""
    beyond = [difference for difference in differences if not difference.is_within]
    if beyond:
        named = ", ".join(f"{difference.model} {difference.output}" for difference in beyond)
        raise ExportRefused(f"the exported graph differs from PyTorch: {named}; nothing written")


def table(differences: Sequence[Difference]) -> str:
    """The differences as text, one output a line."""
    head = f"{'model':<10} {'output':<15} {'vs PyTorch':>11} {'batch 1 v 8':>11} {'bound':>9}  unit"
    lines = [
        f"{row.model:<10} {row.output:<15} {row.from_pytorch:>11.2e} {row.batch_1_from_8:>11.2e} "
        f"{row.bound:>9.2e}  {row.unit}"
        for row in differences
    ]
    return "\n".join([head, *lines])


def to_input(model: Model, pixels: Pixels, size: Sequence[int]) -> Tensor:
    """BGR (H,W,3) -> (3,h,w) as the model card asks, by PyTorch's own resampling."""
    card = model.input
    colours = torch.from_numpy(pixels[..., ::-1].copy() if card.color_order == "RGB" else pixels)
    planes = colours.permute(2, 0, 1).unsqueeze(0).float()
    resized = functional.interpolate(planes, size=tuple(size), mode="bilinear", antialias=True)[0]
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (card.mean, card.std))
    return (resized * card.scale - mean) / std


def _batch(model: Model, pictures: Sequence[Pixels], size: Sequence[int]) -> Floats:
    return np.stack([to_input(model, picture, size).numpy() for picture in pictures])


@torch.inference_mode()
def torch_outputs(model: Model, module: nn.Module, batch: Floats) -> Mapping[str, Floats]:
    """(N, ...) -> outputs by name, N rows each: one picture at a time, as the original runs."""
    names = [output.name for output in model.outputs]

    def run(rows: Floats) -> Mapping[str, Floats]:
        values = module(torch.from_numpy(rows))
        parts = values if isinstance(values, tuple) else (values,)
        return {name: part.numpy() for name, part in zip(names, parts, strict=True)}

    return _chunked(run, batch, 1)


def _chunked(run: Callable[[Floats], Mapping[str, Floats]], batch: Floats, size: int) -> Mapping[str, Floats]:
    parts = [run(batch[first : first + size]) for first in range(0, len(batch), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _worst(left: Sequence[Mapping[str, Floats]], right: Sequence[Mapping[str, Floats]], output: str) -> float:
    pairs = zip(left, right, strict=True)
    return max(float(np.abs(a[output] - b[output]).max()) for a, b in pairs)
