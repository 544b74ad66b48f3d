import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from of3.export.cut import JOINT, VIEWS, CutError, cut
from of3.export.precision import kept_nodes


def whole(bundle_folder, model):
    return onnx.load(bundle_folder / f"{model}.fp32.onnx")


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_the_detector_has_nothing_to_be_cut_off(bundle_folder):
    assert cut(whole(bundle_folder, "detector")) is None


@pytest.mark.parametrize(
    ("model", "of_head", "sides"), [("multitask", ("au",), 1), ("landmarks", ("landmarks",), 3)]
)
def test_the_halves_make_the_whole_again(bundle_folder, standin_root, model, of_head, sides):
    halves = cut(whole(bundle_folder, model))
    assert halves is not None
    assert halves.outputs == of_head
    assert (halves.joint[0], len(halves.joint)) == ("batch", sides + 1)
    picture = np.load(standin_root / "golden.npz")[f"{model}/input"]
    want = run(whole(bundle_folder, model), {"image": picture})
    got = run(halves.body, {"image": picture})
    got |= run(halves.head, {JOINT: got.pop(JOINT)})
    assert set(got) == set(want)
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value)


@pytest.mark.parametrize(
    ("model", "ends"),
    [("multitask", {"TopK", "ReduceL2", "GreaterOrEqual"}), ("landmarks", {"ReduceSum", "Div"})],
)
def test_everything_that_must_stay_float32_at_the_end_is_in_the_head(bundle_folder, model, ends):
    graph = whole(bundle_folder, model)
    halves, kept = cut(graph), kept_nodes(graph.graph)
    assert halves is not None
    around = VIEWS | {"Shape", "Split", "Concat"}
    computing = [node for node in halves.head.graph.node if node.op_type not in around]
    assert {node.name for node in computing} <= kept
    assert ends <= {node.op_type for node in computing}
    assert not ends & {node.op_type for node in halves.body.graph.node}


def test_no_weight_is_in_both_halves(bundle_folder):
    halves = cut(whole(bundle_folder, "multitask"))
    assert halves is not None
    large = [
        {tensor.name for tensor in half.graph.initializer if np.prod(tensor.dims) > 100}
        for half in (halves.body, halves.head)
    ]
    assert large[0] and large[1] and not large[0] & large[1]


@pytest.mark.parametrize(
    ("takes", "said"), [("image", "Mul of the head takes the picture itself"), ("", "nothing but the picture")]
)
def test_a_head_that_takes_the_picture_is_refused(takes, said):
    shape: list[str | int | None] = ["batch", 3, 8, 8]
    nodes = [
        helper.make_node(
            "InstanceNormalization", ["low" if takes else "image", "one", "one"], ["normed"], name="n"
        ),
        helper.make_node("Mul", ["normed", "image"], ["out"], name="m"),
    ]
    if takes:
        nodes.insert(0, helper.make_node("Relu", ["image"], ["low"], name="r"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "out")]
    ones = helper.make_tensor("one", TensorProto.FLOAT, [3], [1.0] * 3)
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [ones])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    with pytest.raises(CutError, match=said):
        cut(model)
