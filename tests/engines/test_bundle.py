import pytest

from of3.engines.bundle import BundleError
from of3.engines.manifest import read_bundle


def test_a_changed_model_file_is_refused(bundle_copy):
    path = bundle_copy / "detector.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(BundleError, match="the file changed since the export"):
        read_bundle(bundle_copy).model("detector").files["fp32"].read()


def test_a_missing_model_is_said_by_name(permuted_root):
    bundle = read_bundle(permuted_root / "weights" / "of3_bundle")
    with pytest.raises(BundleError, match="got models detector, multitask, want landmarks"):
        bundle.model("landmarks")
