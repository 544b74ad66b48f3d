"""The networks in fp32 on onnxruntime's CPU engine: what everything else is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from of3.engines.base import CpuThreads, Engine, Floats, Outputs
from of3.engines.bundle import Bundle, BundleError, InputCard, ModelCard
from of3.engines.registry import CPU
from of3.runtime.types import Pixels
from of3.runtime.vision.landmarks import SIDE_PX, align, box_of
from of3.runtime.vision.sample import CROP_PX, face_tensor, patch_tensor
from of3.runtime.vision.tensor import bgr, normalise, planes_of

ROWS = 8  # of a batch that is compared with pictures one by one
# The detector's sizes: a multiple of 32, and two that make every pyramid level round up.
DETECTOR_SIZES_PX = ((160, 160), (97, 131), (241, 322))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A network, batches of one size each, and what fp32 makes of every row by itself."""

    card: ModelCard
    inputs: Sequence[Floats]
    outputs: Sequence[Outputs]

    def pairs(self, output: str, got: Sequence[Outputs]) -> tuple[Floats, Floats]:
        """An output over all rows of all sizes, flat but for its last axis: here, and in `got`."""
        want, have = ([each[output] for each in outputs] for outputs in (self.outputs, got))
        return _flat(want), _flat(have)


class Fp32:
    """Use as a context manager.  Raises EngineUnavailable.

    refused: why the graph of a network is not run, by model.
    """

    def __init__(self, bundle: Bundle):
        threads = CpuThreads(0)  # of several sessions only one might spin
        self.bundle = bundle
        self._engines: dict[str, Engine] = {}
        self.refused: dict[str, str] = {}
        for name in bundle.models:
            try:
                self._engines[name] = CPU.open(bundle, name, "fp32", False, threads)
            except BundleError as error:
                self.refused[name] = str(error)

    def run(self, model: str, batch: Floats, rows: int = 1) -> Outputs:
        """Raises BundleError: the network is refused."""
        if model in self.refused:
            raise BundleError(self.refused[model])
        return in_batches(self._engines[model], batch, rows)

    def name(self, model: str) -> str:
        return self._engines[model].name

    def known(self, model: str, pictures: Sequence[Pixels]) -> Known:
        card = self.bundle.model(model)
        inputs = inputs_of(card, pictures)
        return Known(card, inputs, [self.run(model, batch) for batch in inputs])

    def __enter__(self) -> "Fp32":
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines.values():
            engine.close()


def in_batches(engine: Engine, batch: Floats, rows: int) -> Outputs:
    """(N, ...) -> outputs by name, N rows each, in runs of `rows`."""
    size = min(rows, engine.max_batch)
    parts = [engine.run(batch[first : first + size]) for first in range(0, len(batch), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def inputs_of(card: ModelCard, pictures: Sequence[Pixels]) -> list[Floats]:
    """Pictures as the runtime feeds them to a network, whole; to the detector at several sizes."""
    if card.name == "detector":
        return [
            np.stack([_resized(card.input, picture, size) for picture in pictures])
            for size in DETECTOR_SIZES_PX
        ]
    if card.name == "landmarks":
        return [np.stack([patch_of(card.input, picture) for picture in pictures])]
    return [faces_of(card.input, pictures)]


def faces_of(card: InputCard, pictures: Sequence[Pixels]) -> Floats:
    """(N,3,224,224)"""
    faces = np.empty((len(pictures), 3, CROP_PX, CROP_PX), np.float32)
    for picture, out in zip(pictures, faces, strict=True):
        face_tensor(picture, card, out)
    return faces


def patch_of(card: InputCard, picture: Pixels) -> Floats:
    """(3,256,256)"""
    out = np.empty((3, SIDE_PX, SIDE_PX), np.float32)
    patch_tensor(align(picture, box_of(picture, None)), card, out)
    return out


def _resized(card: InputCard, picture: Pixels, size_px: tuple[int, int]) -> Floats:
    height, width = size_px
    out = np.empty((3, height, width), np.float32)
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    planes_of(resized, bgr(out, card))
    normalise(out, card)
    return out


def _flat(values: Sequence[Floats]) -> Floats:
    return np.concatenate([each.reshape(-1, each.shape[-1]) for each in values])


def known_of(fp32: Fp32, pictures: Sequence[Pixels]) -> Mapping[str, Known]:
    """Every network of the bundle that is not refused."""
    return {model: fp32.known(model, pictures) for model in fp32.bundle.models if model not in fp32.refused}
