import pytest

from of3.engines.base import EngineUnavailable
from of3.engines.bundle import BundleError, read_bundle
from of3.engines.open import open_engine
from of3.engines.ort import import_onnxruntime

HAS_CUDA = "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def test_cpu_opens_without_refusals(bundle_folder):
    opened = open_engine(read_bundle(bundle_folder), "detector", "cpu", "bf16", threads=1, spin=False)
    assert opened.engine.name.endswith("CPU fp32")
    assert opened.refusals == ()


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
def test_a_fallback_says_what_was_refused_and_the_remedy(bundle_folder):
    opened = open_engine(read_bundle(bundle_folder), "detector", "cuda", "fp32", threads=1, spin=False)
    assert opened.engine.name.endswith("CPU fp32")
    (refusal,) = opened.refusals
    assert refusal.engine == "cuda"
    assert "has no CUDAExecutionProvider" in refusal.reason
    assert "of3[gpu]" in refusal.reason


def test_when_none_opens_every_reason_is_told(bundle_copy):
    manifest = bundle_copy / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"fp32": {', '"fp8": {'))
    with pytest.raises(EngineUnavailable, match="cpu: the bundle holds detector as fp8, fp16, bf16, not fp32"):
        open_engine(read_bundle(bundle_copy), "detector", "cpu", "fp32", threads=1, spin=False)


def test_a_model_the_bundle_lacks_is_an_error_not_a_fallback(permuted_root):
    bundle = read_bundle(permuted_root / "weights" / "of3_bundle")
    with pytest.raises(BundleError):
        open_engine(bundle, "landmarks", "cpu", "fp32", threads=1, spin=False)
