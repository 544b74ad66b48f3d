import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from of3.export.graph import to_onnx
from of3.export.models import landmarks
from of3.export.standin import make_star

MODELS = ("detector", "multitask", "landmarks")


@pytest.fixture(scope="module", params=MODELS)
def graph(request, bundle_folder):
    return onnx.load(bundle_folder / f"{request.param}.fp32.onnx")


@pytest.mark.parametrize(("precision", "opset"), [("fp32", 18), ("fp16", 18), ("bf16", 22)])
@pytest.mark.parametrize("model", MODELS)
def test_the_opset_that_cuda_has_kernels_of_and_no_other_domain(bundle_folder, model, precision, opset):
    found = onnx.load(bundle_folder / f"{model}.{precision}.onnx")
    assert [(entry.domain, entry.version) for entry in found.opset_import] == [("", opset)]
    assert not found.functions


def test_no_einsum(graph):
    assert "Einsum" not in {node.op_type for node in graph.graph.node}


def test_no_path_of_this_machine_is_left(graph):
    assert b"site-packages" not in graph.SerializeToString()
    assert b".py" not in graph.SerializeToString()


def test_every_free_size_has_a_name_and_batch_is_first(graph):
    for value in (*graph.graph.input, *graph.graph.output):
        sides = value.type.tensor_type.shape.dim
        assert sides[0].dim_param == "batch"
        assert all(side.dim_param in ("batch", "height", "width", "priors", "") for side in sides)


def test_similarity_is_multiplied_and_summed_not_a_matrix_product(bundle_folder):
    nodes = onnx.load(bundle_folder / "multitask.fp32.onnx").graph.node
    producer = {name: node for node in nodes for name in node.output}
    (topk,) = [node for node in nodes if node.op_type == "TopK"]
    assert producer[topk.input[0]].op_type == "ReduceSum"
    assert producer[producer[topk.input[0]].input[0]].op_type == "Mul"


def test_parallel_linear_layers_are_fused(bundle_folder):
    model = onnx.load(bundle_folder / "multitask.fp32.onnx")
    shapes = {tuple(weight.dims) for weight in model.graph.initializer}
    (width,) = {min(shape) for shape in shapes if len(shape) == 2 and max(shape) == 3 * min(shape)}
    assert (8 * width, width, 1, 1) in shapes  # as a convolution
    assert (2 * width, width, 1, 1) in shapes


def test_star_with_68_points_gives_68():
    with torch.inference_mode():
        assert landmarks(68, 0.125).make().eval()(torch.zeros(1, 3, 256, 256)).shape == (1, 68, 2)


@pytest.mark.long
def test_star_with_68_points_exports_and_equals_pytorch():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = make_star(68)
    model = landmarks(68)
    content = to_onnx(network, model.signature()).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).uniform(-0.2, 0.2, (2, 3, 256, 256)).astype(np.float32)
    batch += np.linspace(-0.8, 0.8, 256, dtype=np.float32)
    with torch.inference_mode():
        want = network(torch.from_numpy(batch)).numpy()
    (got,) = session.run(None, {"image": batch})
    assert got.shape == (2, 68, 2)
    np.testing.assert_allclose(got, want, rtol=0, atol=model.bounds["landmarks"])
