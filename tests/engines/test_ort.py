import numpy as np
import onnxruntime
import pytest

from of3.engines import host, ort
from of3.engines.base import CpuThreads, EngineFailed, EngineUnavailable
from of3.engines.manifest import read_bundle

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


def test_tf32_and_the_kernel_search_are_as_asked():
    assert ort.cuda_options(is_free=True, tf32=False) == {
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }
    fixed = ort.cuda_options(is_free=False, tf32=True)
    assert (fixed["use_tf32"], fixed["cudnn_conv_algo_search"]) == ("1", "EXHAUSTIVE")


def test_an_error_while_running_is_one_clear_exception(bundle_folder):
    """A picture of no rows: the card allows it, the graph does not."""
    engine = ort.OrtEngine(read_bundle(bundle_folder), "detector", "cpu", "fp32", CpuThreads(1))
    with pytest.raises(EngineFailed, match=r"onnxruntime .* CPU fp32: "):
        engine.run(np.zeros((1, 3, 0, 8), np.float32))
    engine.close()


@pytest.mark.skipif(host.has_nvidia_device(), reason="this machine has a GPU")
def test_what_cuda_lacks_is_told_with_the_remedy():
    with pytest.raises(EngineUnavailable, match=r"CUDAExecutionProvider|no NVIDIA (driver|GPU)|not found"):
        ort.check_cuda(onnxruntime)


def test_the_loader_names_what_it_does_not_find():
    assert list(ort._not_loadable(("libc.so.6", "libnothing.so.1"))) == ["libnothing.so.1"]
