import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.export.precision import LOW_TYPES, PrecisionError, kept_nodes, typed

MODELS = ("detector", "multitask", "landmarks")


def graph_of(bundle_folder, model, precision="fp32"):
    return onnx.load(bundle_folder / f"{model}.{precision}.onnx")


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture(params=["fp16", "bf16"])
def precision(request):
    return request.param


def element_types(graph):
    """Type of every tensor, by strict inference."""
    inferred = onnx.shape_inference.infer_shapes(graph, check_type=True, strict_mode=True).graph
    types = {tensor.name: tensor.data_type for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def test_the_bundle_holds_every_precision_with_its_digest(bundle_folder, model):
    files = read_bundle(bundle_folder).model(model).files
    assert set(files) == {"fp32", "fp16", "bf16"}
    for file in files.values():
        file.read()


def test_inputs_and_outputs_stay_float32(bundle_folder, model, precision):
    graph = graph_of(bundle_folder, model, precision).graph
    source = graph_of(bundle_folder, model).graph
    assert [value.name for value in graph.output] == [value.name for value in source.output]
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT


def test_every_convolution_runs_in_the_low_type(bundle_folder, model, precision):
    graph = graph_of(bundle_folder, model, precision)
    types = element_types(graph)
    head = {"class_linears.weight", "UV.weight"}
    convolutions = [
        node for node in graph.graph.node if node.op_type in ("Conv", "Gemm") and not head & set(node.input)
    ]
    assert convolutions
    for node in convolutions:
        assert {types[name] for name in (*node.input, *node.output)} == {LOW_TYPES[precision]}


def test_kept_nodes_run_in_float32(bundle_folder, model, precision):
    graph = graph_of(bundle_folder, model, precision)
    types = element_types(graph)
    kept = kept_nodes(graph_of(bundle_folder, model).graph)
    assert kept
    for node in graph.graph.node:
        if node.name in kept:
            assert not {types.get(name) for name in (*node.input, *node.output)} & set(LOW_TYPES.values())


def test_the_class_linears_and_everything_after_them_are_kept(bundle_folder):
    graph = graph_of(bundle_folder, "multitask").graph
    kept = kept_nodes(graph)
    after = [node for node in graph.node if node.name in kept]
    operators = {node.op_type for node in after}
    assert {"TopK", "ReduceSum", "ReduceL2", "GreaterOrEqual"} <= operators
    weighted = [node.input[1] for node in after if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert weighted == ["class_linears.weight", "UV.weight"]


def test_soft_argmax_and_instance_norms_are_kept(bundle_folder):
    graph = graph_of(bundle_folder, "landmarks").graph
    kept = kept_nodes(graph)
    assert all(
        node.name in kept
        for node in graph.node
        if node.op_type in ("InstanceNormalization", "ReduceSum", "Div")
    )


def test_nothing_is_cast_twice(bundle_folder, model, precision):
    casts = [node for node in graph_of(bundle_folder, model, precision).graph.node if node.op_type == "Cast"]
    pairs = [(node.input[0], node.attribute[0].i) for node in casts]
    assert len(pairs) == len(set(pairs))


def test_weights_are_rounded_not_changed_and_halved_in_size(bundle_folder, model):
    source, low = graph_of(bundle_folder, model), graph_of(bundle_folder, model, "fp16")
    weights = {weight.name: weight for weight in source.graph.initializer}
    rounded = [weight for weight in low.graph.initializer if weight.data_type == TensorProto.FLOAT16]
    for weight in rounded:
        want = numpy_helper.to_array(weights[weight.name.removesuffix(".fp16")])
        np.testing.assert_array_equal(numpy_helper.to_array(weight), want.astype(np.float16))
    assert low.ByteSize() < (0.85 if model == "multitask" else 0.6) * source.ByteSize()  # the AU head stays


def test_fp16_computes_the_same_function(bundle_folder, standin_root, model):
    """onnxruntime CPU removes most casts, so this bounds mistakes of typing and not the drift of a GPU."""
    golden = np.load(standin_root / "golden.npz")
    content = graph_of(bundle_folder, model, "fp16").SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    for name, value in zip(names, session.run(None, {"image": golden[f"{model}/input"]}), strict=True):
        want = golden[f"{model}/{name}"]
        assert np.abs(value - want).mean() < 0.03 * max(want.std(), 0.05)


def test_bf16_does_not_open_on_the_cpu_and_the_reason_is_told(bundle_folder):
    with pytest.raises(EngineUnavailable, match="does not open multitask bf16"):
        OrtEngine(read_bundle(bundle_folder), "multitask", "cpu", "bf16", CpuThreads(1))


def small(weight):
    """y = relu(x * weight)."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["product"], name="multiply"),
        helper.make_node("Relu", ["product"], ["y"], name="rectify"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(np.array(weight, np.float32), "w")]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])


def test_a_small_graph_by_hand():
    nodes = [
        (node.op_type, list(node.input), list(node.output)) for node in typed(small([1, 2]), "bf16").graph.node
    ]
    assert nodes == [
        ("Cast", ["x"], ["x.bf16"]),
        ("Mul", ["x.bf16", "w.bf16"], ["product"]),
        ("Relu", ["product"], ["y.bf16"]),
        ("Cast", ["y.bf16"], ["y"]),
    ]


def test_a_weight_that_overflows_fp16_is_refused_by_name():
    with pytest.raises(PrecisionError, match="w: got 70000, fp16 holds at most 65504"):
        typed(small([1, 70000]), "fp16")
    typed(small([1, 70000]), "bf16")


def test_an_ill_typed_graph_is_refused_with_its_node():
    model = small([1, 2])
    model.graph.node[1].op_type = "And"
    with pytest.raises(PrecisionError, match="rectify"):
        typed(model, "fp16")
