"""An fp32 graph -> two: a body that may run in low precision, and the head after it that must not.

For engines that round by themselves and do not keep to a graph's types: OpenVINO on the CPU ran the AU head in
bf16 whatever its casts said, ten times the drift of the keep rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx.utils import Extractor

from of3.engines.errors import Error
from of3.export.precision import head_nodes

JOINT = "joint"  # the one tensor that goes over
VIEWS = {"Reshape", "Transpose"}


class CutError(Error):
    """The head of a graph cannot be cut off."""


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """joint: the shape of what the body gives and the head takes.  outputs: the model's that the head gives."""

    body: ModelProto
    head: ModelProto
    joint: tuple[int | str, ...]
    outputs: tuple[str, ...]


def cut(model: ModelProto) -> Halves | None:
    """`model` cut where the keep rule has everything stay float32; None where it has no such end.

    Raises CutError where something else than rows of fixed sides goes over.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = inferred.graph
    head = head_nodes(graph)
    if not head:
        return None
    given = {name for node in graph.node if node.name in head for name in node.output}
    of_head = [value.name for value in graph.output if value.name in given]
    of_body = [value.name for value in graph.output if value.name not in given]
    crossing = _crossing(graph, head)
    widths = [_sides(graph, name)[0] for name in crossing]
    image, batch = graph.input[0].name, graph.input[0].type.tensor_type.shape.dim[0].dim_param
    shape = (batch, sum(widths), *_sides(graph, crossing[0])[1:])
    extractor = Extractor(inferred)
    return Halves(
        body=_handing_on(extractor.extract_model([image], [*of_body, *crossing]), crossing, shape),
        head=_taking_over(extractor.extract_model([*crossing, image], of_head), crossing, widths, shape),
        joint=shape,
        outputs=tuple(of_head),
    )


def _crossing(graph: GraphProto, head: set[str]) -> list[str]:
    """What the head takes of the body, as it was before it was only reshaped for it."""
    floats = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    producer = {name: node for node in graph.node for name in node.output}
    found = dict[str, None]()
    for node in graph.node:
        for name in node.input if node.name in head else ():
            if name in floats and producer[name].name not in head and producer[name].op_type != "Constant":
                found[_before_views(name, producer)] = None
    if not found:
        raise CutError("nothing but the picture goes into the head")
    return list(found)


def _before_views(name: str, producer: dict[str, NodeProto]) -> str:
    while producer[name].op_type in VIEWS:
        name = producer[name].input[0]
    return name


def _sides(graph: GraphProto, name: str) -> list[int]:
    """Of a tensor's rows.  Raises CutError where they are not fixed."""
    (value,) = (value for value in graph.value_info if value.name == name)
    sides = [side.dim_value for side in value.type.tensor_type.shape.dim[1:]]
    if not sides or not all(sides):
        raise CutError(f"{name}: got rows of {sides}, want fixed sides")
    return sides


def _handing_on(body: ModelProto, crossing: Sequence[str], shape: Sequence[int | str]) -> ModelProto:
    """The body with what goes over as its last output."""
    kept = [value for value in body.graph.output if value.name not in crossing]
    body.graph.node.append(helper.make_node("Concat", crossing, [JOINT], name=JOINT, axis=1))
    del body.graph.output[:]
    body.graph.output.extend([*kept, helper.make_tensor_value_info(JOINT, TensorProto.FLOAT, shape)])
    return _checked(body)


def _taking_over(
    head: ModelProto, crossing: Sequence[str], widths: Sequence[int], shape: Sequence[int | str]
) -> ModelProto:
    """The head with what goes over as its only input, whose rows are as many as the pictures."""
    graph, sizes = head.graph, f"{JOINT}.widths"
    image = graph.input[-1].name
    for node in graph.node:
        if image in node.input and node.op_type != "Shape":
            raise CutError(f"{node.op_type} of the head takes the picture itself")
        node.input[:] = [JOINT if name == image else name for name in node.input]
    graph.initializer.append(helper.make_tensor(sizes, TensorProto.INT64, [len(widths)], widths))
    graph.node.insert(0, helper.make_node("Split", [JOINT, sizes], crossing, name=JOINT, axis=1))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(JOINT, TensorProto.FLOAT, shape))
    return _checked(head)


def _checked(model: ModelProto) -> ModelProto:
    """Without what was inferred of the whole.  Raises onnx.checker.ValidationError where it is ill typed."""
    model.graph.ClearField("value_info")
    onnx.checker.check_model(model, full_check=True)
    return model
