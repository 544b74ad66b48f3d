import json

import pytest

from of3.engines.bundle import MANIFEST, BundleError, read_bundle


def rewrite(folder, change):
    document = json.loads((folder / MANIFEST).read_text())
    change(document)
    (folder / MANIFEST).write_text(json.dumps(document))


def test_a_bundle_holds_labels_and_cards(bundle_folder):
    bundle = read_bundle(bundle_folder)
    assert bundle.labels.aus == (1, 2, 4, 6, 9, 12, 25, 26)
    assert bundle.labels.gaze == ("yaw", "pitch")
    assert bundle.labels.emotions[0] == "Neutral"
    assert bundle.is_stand_in
    assert set(bundle.models) == {"detector", "multitask", "landmarks"}
    assert bundle.model("multitask").input.color_order == "RGB"
    assert bundle.model("detector").input.shape == ("batch", 3, "height", "width")
    assert bundle.model("landmarks").outputs[0].shape == ("batch", 98, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("labels"), "`labels` is missing"),
        (lambda d: d["models"]["detector"]["input"].pop("mean"), "models: detector: input: `mean` is missing"),
        (lambda d: d["models"]["detector"]["input"].update(std="1"), "std: got str, want list"),
        (lambda d: d.update(stand_in="no"), "stand_in: got str, want bool"),
        (
            lambda d: d.update(revision=7),
            "got bundle revision 7, this runtime reads 2: run `of3 export --force`",
        ),
        (lambda d: d.update(format="zip"), "not a bundle of of3"),
        (
            lambda d: d["models"]["detector"]["files"]["fp32"].update(path="../detector.onnx"),
            "want a plain file name",
        ),
        (lambda d: d["models"]["detector"]["files"]["fp32"].update(path=".."), "want a plain file name"),
        (lambda d: d["models"]["detector"]["files"]["fp32"].update(path="a\0b"), "want a plain file name"),
        (
            lambda d: d["models"]["detector"]["files"]["fp32"].update(path="/etc/passwd"),
            "want a plain file name",
        ),
        (lambda d: d["models"]["detector"]["files"]["fp32"].update(bytes=1 << 60), "want at most"),
        (lambda d: d["models"]["detector"]["input"].update(scale=float("nan")), "got nan, want a number"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(bundle_copy, change, said):
    rewrite(bundle_copy, change)
    with pytest.raises(BundleError, match=said):
        read_bundle(bundle_copy)


def test_a_missing_bundle_is_said(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        read_bundle(tmp_path)


def test_a_manifest_that_is_not_json_is_said(tmp_path):
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, '{"format": []}'])
def test_a_manifest_made_to_harm_is_one_error(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(BundleError):
        read_bundle(tmp_path)


def test_a_manifest_that_is_a_link_or_a_giant_is_refused(bundle_copy):
    (bundle_copy / MANIFEST).rename(bundle_copy / "real.json")
    (bundle_copy / MANIFEST).symlink_to(bundle_copy / "real.json")
    with pytest.raises(BundleError, match="a link, want the file itself"):
        read_bundle(bundle_copy)
    (bundle_copy / MANIFEST).unlink()
    with (bundle_copy / MANIFEST).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundleError, match="larger than"):
        read_bundle(bundle_copy)


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
