"""Every file of a bundle against what bundle.json has of it, opened here or not."""

import pytest

from of3.engines.manifest import read_bundle
from of3.verify.files import finding
from of3.verify.finding import Listing


def test_files_that_were_exported_hold(bundle_folder):
    found = finding(read_bundle(bundle_folder))
    files = [path for path in bundle_folder.iterdir() if path.suffix in (".onnx", ".npz")]
    assert found.verdict == "holds"
    assert found.said.startswith(f"{len(files)} files, ")


@pytest.mark.parametrize(
    "name",
    [
        "multitask.fp32.onnx",
        "multitask.bf16.onnx",
        "multitask.body.onnx",
        "multitask.head.onnx",
        "detector.check.npz",
    ],
)
def test_a_file_that_was_changed_or_is_gone_is_named(bundle_copy, name):
    path = bundle_copy / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    assert found_in(bundle_copy) == (name, f"{path}: No such file or directory: run `of3 export`")
    path.write_bytes(content)
    assert "the file changed since the export" in found_in(bundle_copy)[1]


def found_in(folder):
    """The one file that is told, and what of it."""
    found = finding(read_bundle(folder))
    assert found.verdict == "does not hold"
    (exhibit,) = found.exhibits
    assert isinstance(exhibit, Listing)
    ((name, reason),) = exhibit.rows
    assert found.said == f"gone or changed since the export: {name}"
    return name, reason
