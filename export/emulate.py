"""A graph typed fp16 or bf16 -> a float32 graph that computes the same roundings on any CPU.

onnxruntime's CPU provider has no bf16 kernels and widens fp16 graphs silently (drift understated 14 to 18
times), so the roundings are written out: weights rounded beforehand, and Cast(low) -> Cast(float32) after
every low tensor.  A GPU kernel that fuses Conv + SiLU or Gemm + ReLU rounds once, at its end; so does this.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

LOW_TYPES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
FUSED_FROM = {"Conv", "Gemm"}
FUSED_INTO = {"LeakyRelu", "Relu"}


def emulated(typed: ModelProto) -> ModelProto:
    """`typed` with every rounding to its low type explicit and everything computed in float32."""
    graph = onnx.shape_inference.infer_shapes(typed).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    low = {
        value.name: value.type.tensor_type.elem_type
        for value in values
        if value.type.tensor_type.elem_type in LOW_TYPES
    }
    inside = unrounded(graph.node)
    nodes = [made for node in graph.node for made in _rounded(node, low, inside)]
    weights = [_widened(weight) for weight in graph.initializer]
    result = helper.make_graph(nodes, graph.name, graph.input, graph.output, weights)
    return helper.make_model(result, opset_imports=typed.opset_import, ir_version=typed.ir_version)


def unrounded(nodes: Sequence[NodeProto]) -> set[str]:
    """Tensors inside a fused kernel: x of Conv -> x -> ReLU; x and s of Conv -> x -> Sigmoid -> s, x*s."""
    uses = Counter(name for node in nodes for name in node.input)
    producer = {name: node for node in nodes for name in node.output}
    inside: set[str] = set()
    for node in nodes:
        first = producer.get(node.input[0]) if node.input else None
        if node.op_type in FUSED_INTO and first is not None and first.op_type in FUSED_FROM:
            inside |= {name for name in node.input if uses[name] == 1}
        if node.op_type == "Mul" and len(node.input) == 2:
            inside |= _silu(node, producer, uses)
    return inside


def _silu(node: NodeProto, producer: dict[str, NodeProto], uses: Counter[str]) -> set[str]:
    for x, s in (tuple(node.input), tuple(node.input)[::-1]):
        gate, source = producer.get(s), producer.get(x)
        is_gate = gate is not None and gate.op_type == "Sigmoid" and gate.input[0] == x and uses[s] == 1
        if is_gate and source is not None and source.op_type in FUSED_FROM and uses[x] == 2:
            return {x, s}
    return set()


def _rounded(node: NodeProto, low: dict[str, int], inside: set[str]) -> Iterator[NodeProto]:
    copy = NodeProto()
    copy.CopyFrom(node)
    if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT and node.input[0] in low:
        yield helper.make_node("Identity", node.input, node.output, name=node.name)
        return
    late = []
    for index, name in enumerate(node.output):
        if name in low and name not in inside:
            copy.output[index] = f"{name}.exact"
            late += _round_trip(copy.output[index], name, low[name])
    if node.op_type == "Cast" and node.attribute[0].i in LOW_TYPES:
        copy.attribute[0].i = TensorProto.FLOAT
    yield copy
    yield from late


def _round_trip(source: str, target: str, kind: int) -> list[NodeProto]:
    middle = f"{target}.low"
    return [
        helper.make_node("Cast", [source], [middle], name=f"round.{target}", to=kind),
        helper.make_node("Cast", [middle], [target], name=f"widen.{target}", to=TensorProto.FLOAT),
    ]


def _widened(weight: TensorProto) -> TensorProto:
    if weight.data_type not in LOW_TYPES:
        return weight
    return numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float32), weight.name)
