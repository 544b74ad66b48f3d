"""A module -> its fp32 ONNX graph, opset 18, with named inputs, outputs and free dimensions."""

import gc
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import onnx
import torch
from torch import nn

from of3.export.networks.multitask import FusedMultitask, Multitask

# The newest that onnxruntime's CUDA provider has all kernels of: from 22 on none for MaxPool and
# InstanceNormalization (1.31: 21 of STAR's nodes ran on the CPU, with 42 copies a run), from 19 on none for
# Resize before 1.31, and of 22 none for Conv in 1.23 (83 of multitask's on the CPU).  bf16 has an operator set
# of its own: `precision.BF16_OPSET`.
OPSET = 18
MAX_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Signature:
    """Names of a graph's ends.  Shapes hold numbers, and names where the size is free."""

    input_shape: tuple[int | str, ...]
    outputs: Mapping[str, tuple[int | str, ...]]
    example: tuple[int, ...]  # an input shape to trace with

    input_name: str = "image"


def fused(module: nn.Module) -> nn.Module:
    """The module as it is exported: the same function in fewer layers."""
    return FusedMultitask(module).eval() if isinstance(module, Multitask) else module


def to_onnx(module: nn.Module, signature: Signature) -> onnx.ModelProto:
    """Export and check.  Raises onnx.checker.ValidationError when the graph is not well typed."""
    with _quiet():
        program = torch.onnx.export(
            fused(module),
            (torch.zeros(signature.example),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[signature.input_name],
            output_names=list(signature.outputs),
            dynamic_shapes=(dict.fromkeys(free_axes(signature.input_shape), torch.export.Dim.DYNAMIC),),
            verbose=False,
        )
    assert program is not None  # dynamo=True returns the program
    model = program.model_proto
    _strip_notes(model.graph)
    _name_dimensions(model.graph, signature)
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's own chatter: absent torchvision operators, deprecated internals.

    Without garbage collection too: tracing makes millions of objects, and looking through them took a quarter
    of its time.
    """
    chatty = logging.getLogger("torch.onnx")
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        gc.enable()
        chatty.setLevel(level)


def free_axes(shape: Sequence[int | str]) -> list[int]:
    return [axis for axis, side in enumerate(shape) if isinstance(side, str)]


def _strip_notes(graph: onnx.GraphProto) -> None:
    """Drop the exporter's notes: stack traces with this machine's paths, and stale intermediate shapes."""
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer, graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")


def _name_dimensions(graph: onnx.GraphProto, signature: Signature) -> None:
    """Our names for free dimensions instead of the exporter's symbols and formulas."""
    shapes = [signature.input_shape, *signature.outputs.values()]
    for value, shape in zip((*graph.input, *graph.output), shapes, strict=True):
        for dimension, side in zip(value.type.tensor_type.shape.dim, shape, strict=True):
            if isinstance(side, str):
                dimension.dim_param = side
            else:
                dimension.dim_value = side
