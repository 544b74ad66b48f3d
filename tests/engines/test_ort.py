import hashlib
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from of3.engines import host, ort, providers
from of3.engines.base import CpuThreads, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.manifest import MANIFEST, read_bundle

MODELS = ("multitask", "landmarks")


@pytest.fixture(params=MODELS)
def card(request, bundle_folder):
    return read_bundle(bundle_folder).model(request.param)


def test_bound_inputs_and_outputs_give_what_a_plain_run_gives(card, standin_root):
    """On the CPU's memory, with the calls that run on CUDA's."""
    session = onnxruntime.InferenceSession(card.files["fp32"].path, providers=["CPUExecutionProvider"])
    bound = ort.Bindings(onnxruntime, session, card, "cpu")
    pictures = np.load(standin_root / "golden.npz")[f"{card.name}/input"]
    kept = []
    for batch in (pictures, pictures[:1], pictures[::-1], pictures[1:2]):
        names = [output.name for output in card.outputs]
        want = dict(zip(names, session.run(names, {card.input.name: batch}), strict=True))
        got = bound.run(batch)
        kept.append((want, got))
    for want, got in kept:  # also after the buffers were used again
        assert list(got) == list(want)
        for name, value in got.items():
            np.testing.assert_array_equal(value, want[name])


def test_a_ragged_batch_is_filled_up_and_its_rows_are_those_of_a_plain_run(bundle_folder, standin_root):
    """As few shapes as there are sizes to fill up to, whatever comes: each new one is slow on CUDA."""
    card = read_bundle(bundle_folder).model("multitask")
    session = onnxruntime.InferenceSession(card.files["fp32"].path, providers=["CPUExecutionProvider"])
    bound, shapes = ort.Bindings(onnxruntime, session, card, "cpu"), set()
    pictures = np.load(standin_root / "golden.npz")["multitask/input"]
    for rows in (1, 2, 3, 7, 8, 9):
        batch = np.resize(pictures, (rows, *pictures.shape[1:]))
        want = session.run(["au"], {card.input.name: batch})[0]
        got = bound.run(batch)["au"]
        shapes.add(next(size for size in ort.BOUND_ROWS if size >= rows))
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
    assert set(bound._sets) == shapes == {1, 8, 32}


def test_tf32_and_the_kernel_search_are_as_asked():
    assert providers.cuda_options(is_free=True, tf32=False) == {
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }
    fixed = providers.cuda_options(is_free=False, tf32=True)
    assert (fixed["use_tf32"], fixed["cudnn_conv_algo_search"]) == ("1", "EXHAUSTIVE")


def test_an_error_while_running_is_one_clear_exception(bundle_folder):
    """A picture of no rows: the card allows it, the graph does not."""
    engine = ort.OrtEngine(read_bundle(bundle_folder), "detector", "cpu", "fp32", CpuThreads(1))
    with pytest.raises(EngineFailed, match=r"onnxruntime .* CPU fp32: "):
        engine.run(np.zeros((1, 3, 0, 8), np.float32))
    engine.close()


def test_what_cannot_be_bound_on_the_device_is_the_engines_failure(bundle_folder):
    """onnxruntime raises Python's own RuntimeError here: an OrtValue of a device that is not there."""
    engine = ort.OrtEngine(read_bundle(bundle_folder), "multitask", "cpu", "fp32", CpuThreads(1))
    card = read_bundle(bundle_folder).model("multitask")
    engine._bindings = ort.Bindings(onnxruntime, engine._session, card, "cuda")
    with pytest.raises(EngineFailed, match="CUDA"):
        engine.run(np.zeros((1, 3, 224, 224), np.float32))
    engine.close()


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from of3.engines.base import BatchRefused, CpuThreads, EngineFailed
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine

engine = OrtEngine(read_bundle(Path(sys.argv[1])), sys.argv[2], "cpu", "fp32", CpuThreads(1))
large, small = (np.zeros(tuple(map(int, shape.split(","))), np.float32) for shape in sys.argv[3:])
engine.run(small)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (20 << 20), -1))
try:
    engine.run(large)
except (BatchRefused, EngineFailed) as error:
    print(type(error).__name__, error)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
engine.run(small)
"""


@pytest.mark.parametrize(
    ("model", "large", "small", "said"),
    [
        ("detector", "1,3,3000,4000", "1,3,64,64", "BatchRefused"),
        ("multitask", "64,3,224,224", "1,3,224,224", "EngineFailed"),
    ],
)
def test_memory_that_runs_out_is_the_pictures_doing_where_sizes_are_free(
    bundle_folder, model, large, small, said
):
    """And the session is as good as before."""
    arguments = [sys.executable, "-c", SHORT_OF_MEMORY, bundle_folder, model, large, small]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{said} onnxruntime ")
    assert "allocate" in done.stdout


def signed(folder, model, content):
    """A bundle's fp32 graph replaced, its digest put right."""
    path, manifest = folder / f"{model}.fp32.onnx", folder / MANIFEST
    path.unlink()
    path.write_bytes(content)
    document = json.loads(manifest.read_text())
    digest = hashlib.sha256(content).hexdigest()
    document["models"][model]["files"]["fp32"] |= {"sha256": digest, "bytes": len(content)}
    manifest.write_text(json.dumps(document))


def graph_of(inputs, outputs):
    """Outputs of zeros whose sides are the first values of the first input: no session can tell them before."""
    source, nodes = inputs[0][0], []
    flat = [onnx.helper.make_node("Constant", [], ["all"], value_ints=[-1])]
    flat.append(onnx.helper.make_node("Reshape", [source, "all"], ["flat"]))
    for name, kind, shape in outputs:
        for part, value in (("start", [0]), ("end", [len(shape)])):
            nodes.append(onnx.helper.make_node("Constant", [], [f"{name}_{part}"], value_ints=value))
        nodes += [
            onnx.helper.make_node("Slice", ["flat", f"{name}_start", f"{name}_end"], [f"{name}_first"]),
            onnx.helper.make_node("Cast", [f"{name}_first"], [f"{name}_sides"], to=onnx.TensorProto.INT64),
            onnx.helper.make_node("ConstantOfShape", [f"{name}_sides"], [f"{name}_zeros"]),
            onnx.helper.make_node("Cast", [f"{name}_zeros"], [name], to=getattr(onnx.TensorProto, kind)),
        ]
    source_ends, ends = (
        [
            onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)
            for name, kind, shape in each
        ]
        for each in (inputs, outputs)
    )
    graph = onnx.helper.make_graph([*flat, *nodes], "g", source_ends, ends)
    opsets = [onnx.helper.make_opsetid("", 22)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def opened(folder):
    return ort.OrtEngine(read_bundle(folder), "landmarks", "cpu", "fp32", CpuThreads(1))


IMAGE, POINTS = ("image", "FLOAT", ["batch", 3, 256, 256]), ("landmarks", "FLOAT", ["batch", 98, 2])


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([("picture", *IMAGE[1:])], [POINTS], "the graph has inputs 'picture', bundle.json says image"),
        ([IMAGE, ("more", "FLOAT", [1])], [POINTS], "inputs 'image', 'more', bundle.json says image"),
        ([IMAGE], [("points", *POINTS[1:])], "outputs 'points', bundle.json says landmarks"),
        ([IMAGE], [POINTS, ("more", "FLOAT", [1])], "outputs 'landmarks', 'more', bundle.json says landmarks"),
        ([("image", "DOUBLE", IMAGE[2])], [POINTS], r"image of the graph is tensor\(double\)"),
        ([IMAGE], [("landmarks", "INT64", POINTS[2])], r"is tensor\(int64\) .*says tensor\(float\)"),
        ([IMAGE], [("landmarks", "DOUBLE", POINTS[2])], r"is tensor\(double\)"),
        (
            [("image", "FLOAT", [1, 3, 256, 256])],
            [POINTS],
            r"\[1, 3, 256, 256\], .* says .*'free', 3, 256",
        ),
        ([("image", "FLOAT", ["batch", 3, 256])], [POINTS], r"\['free', 3, 256\], bundle.json says"),
        ([IMAGE], [("landmarks", "FLOAT", ["batch", 68, 2])], r"\['free', 68, 2\], .*says .*98, 2\]"),
        ([IMAGE], [("landmarks", "FLOAT", ["batch", "points", 2])], "'free', 'free', 2"),
        ([IMAGE], [("landmarks", "FLOAT", ["batch", 98])], r"\['free', 98\], bundle.json says"),
    ],
)
def test_a_graph_of_other_ends_than_its_card_is_refused_when_it_opens(bundle_copy, inputs, outputs, said):
    signed(bundle_copy, "landmarks", graph_of(inputs, outputs))
    with pytest.raises(BundleError, match=said):
        opened(bundle_copy)


@pytest.mark.parametrize(
    "sides", [(3, 98, 2), (1, 98, 2), (0, 98, 2), (2, 99, 2), (2, 97, 2), (2, 98, 3), (2, 98, 1)]
)
def test_outputs_of_other_sides_than_the_cards_end_the_engine(bundle_copy, sides):
    """The graph says that it keeps to its card, and onnxruntime gives what comes out."""
    signed(bundle_copy, "landmarks", graph_of([IMAGE], [POINTS]))
    engine, batch = opened(bundle_copy), np.zeros((2, 3, 256, 256), np.float32)
    batch.flat[:3] = 2, 98, 2
    assert engine.run(batch)["landmarks"].shape == (2, 98, 2)
    batch.flat[:3] = sides
    with pytest.raises(
        EngineFailed, match=rf"landmarks: got float32 \({sides[0]}, .*want float32 \(2, 98, 2\)"
    ):
        engine.run(batch)
    engine.close()


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_what_cuda_lacks_is_told_with_the_remedy():
    with pytest.raises(EngineUnavailable, match=r"CUDAExecutionProvider|no NVIDIA (driver|GPU)|not found"):
        providers.check_cuda(onnxruntime)


def test_the_loader_names_what_it_does_not_find():
    assert list(providers._not_loadable(("libc.so.6", "libnothing.so.1"))) == ["libnothing.so.1"]


def test_a_large_picture_gives_the_same_where_its_memory_is_given_back(bundle_folder, monkeypatch):
    engine = ort.OrtEngine(read_bundle(bundle_folder), "detector", "cpu", "fp32", CpuThreads(1))
    batch = np.random.default_rng(0).normal(0, 50, (1, 3, 96, 128)).astype(np.float32)
    want = engine.run(batch)
    monkeypatch.setattr(ort, "LARGE_BYTES", batch.nbytes - 1)
    for name, value in engine.run(batch).items():
        np.testing.assert_array_equal(value, want[name])
    assert engine._large is not None
    engine.close()
