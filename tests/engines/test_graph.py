"""ONNX files that must not be loaded, made with the onnx package."""

import hashlib
import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="graphs are made with it")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from of3.engines.bundle import BundleError, ModelFile  # noqa: E402
from of3.engines.graph import read_graph  # noqa: E402


def graph_of(nodes, weights=()):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    return helper.make_graph(nodes, "g", ends[:1], ends[1:], list(weights))


def model_of(nodes, weights=(), **options):
    return helper.make_model(graph_of(nodes, weights), **options)


def file_of(folder, model):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    path = folder / "m.onnx"
    path.write_bytes(content)
    return ModelFile(path, hashlib.sha256(content).hexdigest(), len(content))


def external(name="w"):
    tensor = numpy_helper.from_array(np.ones(1, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


RELU = helper.make_node("Relu", ["x"], ["y"])
CUSTOM = helper.make_node("Evil", ["x"], ["y"], domain="com.evil")
INNER = graph_of([RELU])
ENDLESS = [
    helper.make_node("If", ["c"], ["y"], then_branch=INNER, else_branch=INNER),
    helper.make_node("Loop", ["", "c", "x"], ["y"], body=INNER),
    helper.make_node("Scan", ["x"], ["y"], body=INNER, num_scan_inputs=1),
    helper.make_node("SequenceMap", ["x"], ["y"], body=INNER),
    helper.make_node("Later", ["x"], ["y"], bodies=[INNER]),
]
RANDOM = [
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
    "Dropout",
]


def test_a_plain_graph_is_read(tmp_path):
    weight = numpy_helper.from_array(np.ones(1, np.float32), "w")
    model = model_of([RELU, helper.make_node("Add", ["x", "w"], ["y"])], [weight])
    assert read_graph(file_of(tmp_path, model)) == model.SerializeToString()


def test_the_exported_graphs_are_plain(bundle_folder):
    from of3.engines.manifest import read_bundle

    for card in read_bundle(bundle_folder).models.values():
        for file in card.files.values():
            assert read_graph(file)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (model_of([CUSTOM]), "operator Evil of domain 'com.evil'"),
        (model_of([RELU], opset_imports=[helper.make_opsetid("com.microsoft", 1)]), "domain 'com.microsoft'"),
        (model_of([RELU], [external()]), "weights in another file"),
        (model_of([helper.make_node("Constant", [], ["y"], value=external())]), "weights in another file"),
        *((model_of([node]), f"operator {node.op_type} with a graph in it") for node in ENDLESS),
        *(
            (model_of([helper.make_node(name, ["x"], ["y"])]), f"operator {name}, which gives other")
            for name in RANDOM
        ),
        (model_of([RELU, helper.make_node("a\nb", [], [], domain="x")]), r"operator a\\nb of domain 'x'"),
        (
            model_of(
                [RELU],
                functions=[
                    helper.make_function("f", "F", ["x"], ["y"], [RELU], [helper.make_opsetid("", 22)], [])
                ],
            ),
            "functions",
        ),
        (b"\xff" * 20, "not an ONNX file"),
        (b"rubbish that is no protobuf", "not an ONNX file"),
        (b"\x3a\xff\xff\xff\xff\x0f", "cut short"),
    ],
)
def test_anything_else_is_refused(tmp_path, model, said):
    with pytest.raises(BundleError, match=said):
        read_graph(file_of(tmp_path, model))


def test_changed_links_and_oversized_files_are_refused(tmp_path):
    file = file_of(tmp_path, model_of([RELU]))
    content = file.path.read_bytes()
    with pytest.raises(BundleError, match=r"got more bytes, want 3"):
        ModelFile(file.path, file.sha256, 3).read()
    file.path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="the file changed since the export"):
        read_graph(file)
    file.path.rename(tmp_path / "real.onnx")
    file.path.symlink_to(tmp_path / "real.onnx")
    with pytest.raises(BundleError, match="a link, want the file itself"):
        file.read()
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(BundleError, match="not a regular file"):
        file.read()


def test_every_cut_and_every_flipped_bit_is_refused_or_read(tmp_path):
    """Whatever the bytes, nothing but BundleError comes of them."""
    content = model_of([RELU, CUSTOM], [external()]).SerializeToString()
    chance = np.random.default_rng(0)
    for number in range(2000):
        changed = bytearray(content[: chance.integers(1, len(content) + 1)])
        for _ in range(number % 4):
            changed[chance.integers(0, len(changed))] ^= 1 << chance.integers(0, 8)
        try:
            read_graph(file_of(tmp_path, bytes(changed)))
        except BundleError:
            continue
