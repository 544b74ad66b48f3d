import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from of3.export.emulate import emulated, unrounded
from of3.export.precision import typed

KINDS = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}


def graph_of(nodes, weights=()):
    """x -> y, float32 of four."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    constants = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def run(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_every_low_tensor_is_rounded_as_numpy_rounds(precision):
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["product"], name="multiply"),
        helper.make_node("Add", ["product", "w"], ["y"], name="add"),
    ]
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)

    def rounded(value):
        return np.asarray(value).astype(KINDS[precision]).astype(np.float32)

    want = rounded(rounded(rounded(x) * rounded(w)) + rounded(w))
    np.testing.assert_array_equal(run(emulated(typed(graph_of(nodes, [("w", w)]), precision)), x), want)
    assert np.abs(want - (x * w + w)).max() > 0


def test_kept_nodes_are_not_rounded():
    nodes = [helper.make_node("Softmax", ["x"], ["y"], name="softmax")]
    x = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    np.testing.assert_array_equal(run(emulated(typed(graph_of(nodes), "bf16")), x), run(graph_of(nodes), x))


def test_inside_a_fused_kernel_nothing_is_rounded():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Sigmoid", ["a"], ["s"]),
        helper.make_node("Mul", ["a", "s"], ["silu"]),
        helper.make_node("Gemm", ["silu", "w"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "w"], ["used_twice"]),
        helper.make_node("Relu", ["used_twice"], ["d"]),
        helper.make_node("Add", ["d", "used_twice"], ["y"]),
    ]
    assert unrounded(nodes) == {"a", "s", "b"}


@pytest.mark.parametrize("model", ["detector", "multitask", "landmarks"])
def test_an_emulated_network_runs_on_the_cpu_and_drifts(bundle_folder, standin_root, model):
    golden = np.load(standin_root / "golden.npz")
    x = golden[f"{model}/input"][:1]

    def outputs(graph):
        content = graph.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return session.run(None, {"image": x})[0]

    fp32, fp16, bf16 = (onnx.load(bundle_folder / f"{model}.{kind}.onnx") for kind in ("fp32", "fp16", "bf16"))
    want = outputs(fp32)
    drift = [np.abs(outputs(emulated(graph)) - want).mean() for graph in (fp16, bf16)]
    assert 0 < 3 * drift[0] < drift[1] < 0.2 * want.std()
