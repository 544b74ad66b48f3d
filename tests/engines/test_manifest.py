"""bundle.json: what it says, and values that no export writes: each is refused, by name, when it is read."""

import json

import pytest

from of3.engines.bundle import BundleError
from of3.engines.manifest import MANIFEST, read_bundle

HUGE = 10**300
SURROGATE = "\ud800"
INPUT = "models multitask input"
OUTPUT = "models multitask outputs 0"
FILE = "models multitask files fp32"
CHECK = "models multitask self_check"
BOUND = f"{CHECK} bounds fp32 au"
SUBSTITUTES = "models landmarks substitutes"
CUT = "models multitask cut"
GONE = object()

WRONG: list[tuple[str, list[object]]] = [
    ("labels aus 0", [2, True, 1.0, "1", 0, -1, HUGE, None, [1]]),
    ("labels aus", ["1", None, {"1": 2}, [1] * 300]),
    ("labels emotions 0", ["Happy", "hAPPY", "", " ", SURROGATE, "a\nb", "a,b", "a\0", 3, None, "x" * 99]),
    ("labels emotions", [None, "Neutral", {}]),
    ("labels gaze 0", ["pitch", "PITCH", "", SURROGATE, 1]),
    ("labels gaze_measured", [["yaw", "yaw"], [0], None, "yaw"]),
    ("models", [{}, [], None, {SURROGATE: {}}, {"": {}}]),
    (f"{INPUT} name", ["", "a\nb", SURROGATE, 1, "au"]),
    (f"{INPUT} dtype", ["float64", "FLOAT32", None, GONE]),
    (f"{INPUT} shape 0", [1, True, 0, "", SURROGATE, None]),
    (f"{INPUT} shape 1", [1, 4, True, "channels"]),
    (f"{INPUT} shape 2", [0, -1, HUGE, 1 << 40, 1.5, True, "batch", None]),
    (f"{INPUT} shape", [[], ["batch"], ["batch", 3], ["batch", 3, 224, 224, 1], ["batch", 3, 60000, 60000]]),
    (f"{INPUT} color_order", ["rgb", "RGBA", "BRG", "", None, ["RGB"], {}]),
    (f"{INPUT} scale", [0, -1, 1e-300, 1e29, float("nan"), float("inf"), HUGE, True, "1", None]),
    (f"{INPUT} mean", [[0.5], [], [0, 0, 0, 0], ["1", 2, 3], [float("nan"), 0, 0], [1e29, 0, 0], 0.5]),
    (f"{INPUT} std", [[1, 1], [1, 1, 1, 1], [0, 1, 1], [-1, 1, 1], [1e-300, 1, 1], [True, 1, 1], None]),
    (f"{OUTPUT} name", ["gaze_rad", "image", "", SURROGATE, 1, GONE]),
    (f"{OUTPUT} shape", [[8], [1, 8], [], ["rows", 8], ["batch", 0], ["batch", True], ["batch", HUGE], None]),
    (f"{OUTPUT} meaning", [1, "a\nb", "x" * 2000]),
    (f"{OUTPUT} unit", [None, SURROGATE]),
    ("models multitask outputs", [[], None, {}]),
    ("models multitask files", [{}, []]),
    (FILE, [GONE, None, "multitask.fp32.onnx"]),
    ("models multitask files int8", [{"path": "a", "sha256": "0" * 64, "bytes": 1}]),
    (f"{FILE} sha256", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 63 + "\n", 0, None]),
    (f"{FILE} bytes", [0, -1, True, 1.5, HUGE, "1", None]),
    (f"{FILE} path", ["", ".", "..", "../a", "/etc/passwd", "a/b", SURROGATE, "a\0b", None]),
    (f"{CHECK} bounds", [{}, None]),
    (f"{CHECK} bounds fp32", [GONE, {}, None]),
    (f"{CHECK} bounds tf32", [GONE]),
    (f"{CHECK} bounds bf16", [GONE]),
    (f"{CHECK} bounds int8", [{}]),
    (BOUND, [GONE, -1, -1e-9, float("nan"), float("inf"), True, "1", HUGE]),
    (f"{CHECK} sha256", ["x"]),
    (f"{SUBSTITUTES} int8", [{"precision": "fp16", "reason": "r"}]),
    (f"{SUBSTITUTES} fp32", [{"precision": "fp16", "reason": "r"}]),
    (f"{SUBSTITUTES} bf16 precision", ["int8", "bf16", None, ["fp16"]]),
    (f"{SUBSTITUTES} bf16 reason", [None, "a\nb", ""]),
    (CUT, [None, [], {}, {"head": None}]),
    (f"{CUT} body", [GONE, None, "multitask.body.onnx"]),
    (f"{CUT} body path", ["../a", "", None]),
    (f"{CUT} head", [GONE, [], "", {}]),
    (f"{CUT} head sha256", ["x", None, GONE]),
    (f"{CUT} head joint", [GONE, None, "joint"]),
    (f"{CUT} head joint name", ["image", "au", "", 1]),
    (f"{CUT} head joint shape 0", [1, "rows"]),
    (f"{CUT} head joint shape", [["batch"], [], ["batch", 60000, 60000], None]),
    (f"{CUT} head outputs", [[], ["gaze"], ["au", "au"], [1], "au", None]),
    ("weights 0 sha256", ["x", None, GONE]),
    ("stand_in", [1, "no", None, GONE]),
    ("revision", [True, 2.0, "2", HUGE, None, GONE]),
]  # fmt: skip


def key_of(name):
    return int(name) if name.isdigit() else name


def mutated(document, place, value):
    """The document with another value at a place, `models multitask input`."""
    *way, last = map(key_of, place.split())
    at = document
    for name in way:
        at = at[name]
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value"),
    [(place, value) for place, values in WRONG for value in values],
    ids=lambda each: "gone" if each is GONE else ascii(each)[:40],
)
def test_a_value_that_no_export_writes_is_refused_by_name_in_one_short_line(bundle_copy, place, value):
    path = bundle_copy / MANIFEST
    path.write_text(json.dumps(mutated(json.loads(path.read_text()), place, value)))
    with pytest.raises(BundleError) as raised:
        read_bundle(bundle_copy)
    said = str(raised.value)
    assert all(word in said for word in place.split()[:2])
    assert "run `of3 export --force`" in said
    assert said.isprintable()
    assert len(said.replace(str(path), "")) < 300


def test_a_name_that_stands_twice_is_refused(bundle_copy):
    path = bundle_copy / MANIFEST
    path.write_text(path.read_text().replace('"stand_in": true', '"stand_in": true, "stand_in": false'))
    with pytest.raises(BundleError, match="'stand_in' stands there twice"):
        read_bundle(bundle_copy)


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
        (lambda d: d["models"]["detector"]["files"]["fp32"].update(path="a\0b"), "want printable text"),
        (
            lambda d: d["models"]["detector"]["files"]["fp32"].update(path="/etc/passwd"),
            "want a plain file name",
        ),
        (
            lambda d: d["models"]["detector"]["files"]["fp32"].update(bytes=1 << 60),
            "want a whole number from 1 to",
        ),
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
