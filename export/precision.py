"""An fp32 ONNX graph -> the same graph typed fp16 or bf16, for engines that take precision from the graph.

TensorRT 11 and TensorRT for RTX are strongly typed only, so the choice is made here, node by node: a node runs
in the low type unless the keep rule names it, tensors are cast where the type changes, and the graph's inputs
and outputs stay float32.
"""

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from of3.engines.errors import Error

LOW_TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
FP16_MAX = 65504.0
# The first operator set with bf16 for Conv, InstanceNormalization and MaxPool; between it and the fp32 graph's,
# our operators gained types and changed nothing else.
BF16_OPSET = 22
# Normalisations lose their epsilon in fp16 (1e-12 becomes 0), a comparison or a top-k turns a rounding error
# into a jump, and softmax is an output.
KEPT_OPS = {"Clip", "Greater", "InstanceNormalization", "ReduceL2", "Softmax", "TopK", "Where"}
# This weight's product and everything computed from it: AU similarities, where a rounding error flips an edge.
# The product in bf16 alone flipped 0.8 % of the rows of the hard stand-in, in fp32 none.
KEPT_FROM_WEIGHT = "class_linears.weight"
# Everything computed from the last of these: STAR's soft-argmax.
KEPT_AFTER_LAST_OP = "InstanceNormalization"
RESIZE_FLOAT_INPUTS = (1, 2)  # roi and scales are float32 by the operator's definition


class PrecisionError(Error):
    """The graph cannot be typed as asked."""


def typed(model: ModelProto, precision: str) -> ModelProto:
    """`model` (fp32) typed "fp16" or "bf16", checked strictly.

    Raises PrecisionError when a weight does not fit fp16, or the result is not well typed.
    """
    graph = _Typing(model, precision).graph()
    opsets = [helper.make_opsetid("", BF16_OPSET)] if precision == "bf16" else model.opset_import
    result = helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
    try:
        onnx.checker.check_model(result, full_check=True)
        onnx.shape_inference.infer_shapes(result, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PrecisionError(f"{precision}: {error}") from error
    return result


def head_nodes(graph: GraphProto) -> set[str]:
    """Names of the nodes from where on nothing runs in a low type."""
    last = [node.name for node in graph.node if node.op_type == KEPT_AFTER_LAST_OP][-1:]
    head: set[str] = set()
    from_head: set[str] = set()  # tensors whose consumers are in it
    for node in graph.node:
        is_after = any(name in from_head for name in node.input)
        if is_after or KEPT_FROM_WEIGHT in node.input or node.name in last:
            head.add(node.name)
            from_head.update(node.output)
    return head


def kept_nodes(graph: GraphProto) -> set[str]:
    """Names of the nodes that stay float32."""
    return head_nodes(graph) | {node.name for node in graph.node if node.op_type in KEPT_OPS}


class _Typing:
    """One pass over the nodes in order; what was cast once is not cast again."""

    def __init__(self, model: ModelProto, precision: str):
        self._source = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self._precision = precision
        self._low = LOW_TYPES[precision]
        self._kept = kept_nodes(model.graph)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._types = self._float_tensors()  # runtime float tensors: FLOAT or the low type
        self._nodes: list[NodeProto] = []
        self._casts: dict[tuple[str, int], str] = {}
        self._used: dict[str, TensorProto] = {}

    def _float_tensors(self) -> dict[str, int]:
        values = (*self._source.input, *self._source.value_info, *self._source.output)
        floats = (value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT)
        return dict.fromkeys(floats, int(TensorProto.FLOAT))

    def graph(self) -> GraphProto:
        outputs = {value.name for value in self._source.output}
        for node in self._source.node:
            self._type(node, outputs)
        source = self._source
        return helper.make_graph(
            self._nodes, source.name, source.input, source.output, list(self._used.values())
        )

    def _type(self, node: NodeProto, outputs: set[str]) -> None:
        want = int(TensorProto.FLOAT) if node.name in self._kept else self._low
        copy = NodeProto()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(self._inputs(node, want))
        late = []
        for index, name in enumerate(node.output):
            if name not in self._types:
                continue
            if name in outputs and want != TensorProto.FLOAT:
                copy.output[index] = f"{name}.{self._precision}"
                late.append(_cast(copy.output[index], name, TensorProto.FLOAT))
            else:
                self._types[name] = want
        if node.op_type == "Cast" and node.output[0] in self._types:
            copy.attribute[0].i = want
        self._nodes += [copy, *late]

    def _inputs(self, node: NodeProto, want: int) -> Iterator[str]:
        for index, name in enumerate(node.input):
            is_float32 = node.op_type == "Resize" and index in RESIZE_FLOAT_INPUTS
            yield self._tensor(name, int(TensorProto.FLOAT) if is_float32 else want)

    def _tensor(self, name: str, want: int) -> str:
        """The name under which a tensor is there in the type wanted."""
        if name in self._weights:
            return self._weight(self._weights[name], want)
        if self._types.get(name, want) == want:
            return name
        if (name, want) not in self._casts:
            self._casts[name, want] = f"{name}.{'fp32' if want == TensorProto.FLOAT else self._precision}"
            self._nodes.append(_cast(name, self._casts[name, want], want))
        return self._casts[name, want]

    def _weight(self, weight: TensorProto, want: int) -> str:
        is_low = weight.data_type == TensorProto.FLOAT and want != TensorProto.FLOAT
        name = f"{weight.name}.{self._precision}" if is_low else weight.name
        if name not in self._used:
            self._used[name] = self._lowered(weight, name) if is_low else weight
        return name

    def _lowered(self, weight: TensorProto, name: str) -> TensorProto:
        values = numpy_helper.to_array(weight)
        if self._precision == "fp16" and values.size and np.abs(values).max() > FP16_MAX:
            raise PrecisionError(
                f"{weight.name}: got {np.abs(values).max():g}, fp16 holds at most {FP16_MAX:g}"
            )
        kind = np.float16 if self._precision == "fp16" else ml_dtypes.bfloat16
        return helper.make_tensor(name, self._low, weight.dims, values.astype(kind).tobytes(), raw=True)


def _cast(source: str, target: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast.{target}", to=kind)
