"""A model's outputs on pictures: fp32, emulated fp16 and bf16, and PyTorch's bf16 autocast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from torch import Tensor, nn

from of3.engines.base import Floats
from of3.engines.providers import import_onnxruntime
from of3.engines.selfcheck import tensor_of
from of3.export.emulate import emulated
from of3.export.models import Model
from of3.export.networks.multitask import Multitask, product_similarity
from of3.export.precision import KEPT_FROM_WEIGHT
from of3.runtime.types import Pixels

AUTOCAST = "torch_bf16_autocast"  # what a user of the original has with --amp on
BATCH = 8
DETECTOR_SIDE_PX = 256
# Besides the graph's outputs: what the AU graph's edges are chosen by, and what they are computed from.
SIMILARITY, AU_FEATURE = "similarity", "au_feature"

Outputs = Mapping[str, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What a model made of pictures.

    pixels: (N,H,W,3) uint8 in the card's colour order.  outputs: by variant ("fp32", "fp16", "bf16",
    AUTOCAST), then by name, N rows each.
    """

    pixels: NDArray[np.uint8]
    outputs: Mapping[str, Outputs]


def observe(
    model: Model, module: nn.Module, graphs: Mapping[str, ModelProto], pictures: Sequence[Pixels]
) -> Observed:
    """graphs: by precision, "fp32" among them; the others are emulated."""
    pixels = np.stack([_pixels(model, picture) for picture in pictures])
    batch = tensor_of(pixels, model.input)
    outputs = {
        precision: _graph_outputs(graph if precision == "fp32" else emulated(graph), batch)
        for precision, graph in graphs.items()
    }
    return Observed(pixels, outputs | {AUTOCAST: _autocast_outputs(model, module, batch)})


def _pixels(model: Model, picture: Pixels) -> Pixels:
    height, width = (side if isinstance(side, int) else DETECTOR_SIDE_PX for side in model.input.shape[2:])
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    ordered = resized[..., ::-1] if model.input.color_order == "RGB" else resized
    return ordered.astype(np.uint8)


def _graph_outputs(graph: ModelProto, batch: Floats) -> Outputs:
    names = {output.name: output.name for output in graph.graph.output} | _inner_names(graph)
    session = import_onnxruntime().InferenceSession(
        _with_outputs(graph, names.values()).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    source = graph.graph.input[0].name
    parts = [session.run(list(names.values()), {source: chunk}) for chunk in _chunks(batch)]
    columns = zip(names, zip(*parts, strict=True), strict=True)
    joined = {name: [_by_row(name, value) for value in values] for name, values in columns}
    return {name: np.concatenate(values) for name, values in joined.items()}


def _by_row(name: str, value: Floats) -> Floats:
    """The AU head takes its features as columns of a picture (`RowConv`): (1,1280,N,1) -> (N,1280)."""
    return value.reshape(value.shape[1], -1).T if name == AU_FEATURE else value


def _inner_names(graph: ModelProto) -> dict[str, str]:
    """Tensors of the AU graph, where the graph has one."""
    found = {}
    for node in graph.graph.node:
        if node.op_type == "TopK":
            found[SIMILARITY] = node.input[0]
        if KEPT_FROM_WEIGHT in node.input:
            found[AU_FEATURE] = node.input[0]
    return found


def _with_outputs(graph: ModelProto, names: Any) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(graph)
    there = {output.name for output in copy.graph.output}
    for name in names:
        if name not in there:
            copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return copy


def _chunks(batch: Floats) -> list[Floats]:
    return [batch[first : first + BATCH] for first in range(0, len(batch), BATCH)]


@torch.inference_mode()
def _autocast_outputs(model: Model, module: nn.Module, batch: Floats) -> Outputs:
    names = [output.name for output in model.outputs]
    parts: list[dict[str, Floats]] = []
    with torch.autocast("cpu", torch.bfloat16), _Edges(module) as edges:
        for chunk in _chunks(batch):
            values = module(torch.from_numpy(chunk))
            tensors = values if isinstance(values, tuple) else (values,)
            named = dict(zip(names, tensors, strict=True)) | edges.seen
            parts.append({name: tensor.float().numpy() for name, tensor in named.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Edges:
    """What the AU graph of a `Multitask` saw in its last run, by hooks; nothing of other networks."""

    def __init__(self, module: nn.Module):
        self.seen: dict[str, Tensor] = {}
        self._hooks = []
        if isinstance(module, Multitask):
            head = module.au_regressor
            self._hooks = [
                head.register_forward_pre_hook(self._feature),
                head.gnn.register_forward_pre_hook(self._nodes),
            ]

    def _feature(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.seen[AU_FEATURE] = inputs[0]

    def _nodes(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.seen[SIMILARITY] = product_similarity(inputs[0])

    def __enter__(self) -> "_Edges":
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
