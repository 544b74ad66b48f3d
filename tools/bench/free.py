"""A bundle whose multitask network costs nothing: what is left of a run is the host's."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from of3.engines.manifest import MANIFEST, read_bundle

MODEL, PRECISION = "multitask", "fp32"


def make_free_bundle(bundle: Path, place: Path) -> None:
    """A copy, whole as any: its multitask graph gives the same numbers whatever it is fed."""
    shutil.copytree(bundle, place, dirs_exist_ok=True)
    file = read_bundle(place).model(MODEL).files[PRECISION].path
    file.write_bytes(free_graph(place))
    document = json.loads((place / MANIFEST).read_text())
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    document["models"][MODEL]["files"][PRECISION].update(sha256=digest, bytes=len(content))
    (place / MANIFEST).write_text(json.dumps(document, indent=2))


def free_graph(bundle: Path) -> bytes:
    """Its outputs: a row of noise for each row of the input, of which only the shape is looked at."""
    card, chance = read_bundle(bundle).model(MODEL), np.random.default_rng(0)
    nodes = [
        helper.make_node("Shape", [card.input.name], ["shape"]),
        helper.make_node("Slice", ["shape", "begin", "end"], ["rows"]),
    ]
    constants = {"begin": np.array([0]), "end": np.array([1])}
    for output in card.outputs:
        columns, name = output.shape[1], output.name
        assert isinstance(columns, int)
        constants |= {
            f"{name}_row": chance.random((1, columns), np.float32),
            f"{name}_columns": np.array([columns]),
        }
        nodes += [
            helper.make_node("Concat", ["rows", f"{name}_columns"], [f"{name}_shape"], axis=0),
            helper.make_node("Expand", [f"{name}_row", f"{name}_shape"], [name]),
        ]
    graph = helper.make_graph(
        nodes,
        "free",
        [helper.make_tensor_value_info(card.input.name, TensorProto.FLOAT, card.input.shape)],
        [helper.make_tensor_value_info(each.name, TensorProto.FLOAT, each.shape) for each in card.outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content
