"""The files of a bundle, and bundle.json, which says what they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx

from of3.engines.bundle import OutputCard, Substitute
from of3.engines.manifest import FORMAT, MANIFEST, REVISION
from of3.export.checkpoints import SourceFile
from of3.export.cut import JOINT, Halves
from of3.export.drift import Changed, Drift, document
from of3.export.mirror import UNDETERMINED, GazeOrder
from of3.export.models import LABELS, Model
from of3.export.verify import Difference

TOOLS = ("of3", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


def write_graph(folder: Path, model: Model, part: str, graph: onnx.ModelProto) -> dict[str, Any]:
    """One ONNX file, and its entry in the manifest.  part: the precision, or which of the halves."""
    content = graph.SerializeToString(deterministic=True)
    path = folder / f"{model.name}.{part}.onnx"
    path.write_bytes(content)
    return {"path": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_cut(folder: Path, model: Model, halves: Halves | None, whole: Mapping[str, Any]) -> dict[str, Any]:
    """The halves' files, and their entry in the manifest.  whole: the fp32 graph's, where it is not cut."""
    if halves is None:
        return {"body": whole, "head": None}
    joint = OutputCard(JOINT, halves.joint, "what the body hands on to the head", "none")
    head = write_graph(folder, model, "head", halves.head)
    return {
        "body": write_graph(folder, model, "body", halves.body),
        "head": {**head, "joint": asdict(joint), "outputs": halves.outputs},
    }


@dataclass(frozen=True, slots=True)
class Written:
    """A model's graphs, as its entry in the manifest has them.  cut: that key and its value, or nothing."""

    files: Mapping[str, Any]
    cut: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a model once its graphs ran, as parts of its entry in the manifest."""

    differences: Sequence[Difference] = ()
    drift: Sequence[Drift | Changed] = ()
    self_check: Mapping[str, Any] = field(default_factory=dict)
    substitutes: Mapping[str, Substitute] = field(default_factory=dict)


def write_manifest(
    folder: Path, gaze_order: GazeOrder, sources: Sequence[SourceFile], models: Mapping[str, Mapping[str, Any]]
) -> None:
    """bundle.json: everything the runtime has to know, and where it came from."""
    measured = () if gaze_order.order == UNDETERMINED else tuple(gaze_order.order.split("_"))
    manifest = {
        "format": FORMAT,
        "revision": REVISION,
        "stand_in": any(source.status == "stand-in" for source in sources),
        "labels": asdict(replace(LABELS, gaze_measured=measured)),
        "gaze_order": asdict(gaze_order),
        "weights": [asdict(source) for source in sources],
        "models": models,
        "made_with": {tool: version(tool) for tool in TOOLS},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def model_entry(model: Model, written: Written, measured: Measured) -> dict[str, Any]:
    """A model's part of the manifest: its card, its files, how far it is from PyTorch and from fp32."""
    return {
        "source": model.file,
        "input": {"dtype": "float32", **asdict(model.input)},
        "outputs": [asdict(output) for output in model.outputs],
        "files": written.files,
        **written.cut,
        "verification": {"fp32": [asdict(difference) for difference in measured.differences]},
        "drift": document(measured.drift),
        "substitutes": {asked: asdict(entry) for asked, entry in measured.substitutes.items()},
        "self_check": measured.self_check,
    }
