"""Roots that are well, and the means to plant one thing wrong: in a checkpoint, its graph, the manifest."""

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from of3.engines.base import CpuThreads
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.selfcheck import PIXELS, read_self_check, tensor_of
from of3.export.checkpoints import load_all
from of3.export.models import LABELS, models_in
from of3.runtime.bundle import open_bundle
from of3.verify.fp32 import faces_of
from of3.verify.subject import pictures_below

HAPPY, NEUTRAL = LABELS.emotions.index("Happy"), LABELS.emotions.index("Neutral")
SHARED_ROOT = Path(__file__).resolve().parents[3] / "shared/data/of3_root"
SMILING_FACES = ("16.jpg", "89.jpg")
CERTAIN = 6.0  # a logit, where the others are 0


@pytest.fixture(scope="session", autouse=True)
def _few_threads():
    """On cores that others use too, torch's threads wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Root:
    """A copy of a root, of hard links: its files may be replaced, not written into."""

    def __init__(self, source, folder):
        shutil.copytree(source, folder, copy_function=os.link)
        self.folder, self.weights = folder, folder / "weights"
        self.bundle = self.weights / "of3_bundle"

    def arguments(self):
        return ["--of3_root", str(self.folder)]

    def manifest(self, change):
        path = self.bundle / "bundle.json"
        document = json.loads(path.read_text())
        change(document)
        replaced(path, json.dumps(document).encode())

    def no_stand_in(self):
        """Weights that claim nothing, as those of a training of one's own."""
        mark = self.weights / "standin.json"
        replaced(mark, json.dumps({"width": json.loads(mark.read_text())["width"], "sha256": {}}).encode())

        def change(document):
            document["stand_in"] = False
            for source in document["weights"]:
                source["status"] = "unknown"

        self.manifest(change)

    def graph(self, model, change):
        """Change tensors of the fp32 graph, by their names, and let the bundle's digests say so."""
        path = self.bundle / f"{model}.fp32.onnx"
        graph = onnx.load(path)
        for tensor in graph.graph.initializer:
            if (value := change(tensor.name, numpy_helper.to_array(tensor))) is not None:
                tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
        self.file(path, graph.SerializeToString(), lambda document: document["models"][model]["files"]["fp32"])

    def file(self, path, content, entry):
        replaced(path, content)
        digest = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        self.manifest(lambda document: entry(document).update(digest))

    def damage(self, name, size_bytes):
        """Leave a file of the bundle its first bytes, as a copy that broke off, whatever the manifest says."""
        path = self.bundle / name
        replaced(path, path.read_bytes()[:size_bytes])

    def checkpoint(self, change):
        """Change tensors of the multitask network's checkpoint, from which the bundle claims to be made."""
        path = self.weights / "MTL_backbone.pth"
        state = torch.load(path, weights_only=True)
        for name, tensor in state.items():
            if (value := change(name, tensor.numpy())) is not None:
                state[name] = torch.from_numpy(value)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        replaced(path, buffer.getvalue())

        def claim(document):
            (source,) = (each for each in document["weights"] if each["file"] == path.name)
            source["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()

        self.manifest(claim)

    def stored(self, model):
        """Let the self-check hold what the graph makes now."""
        bundle = read_bundle(self.bundle)
        card = bundle.model(model)
        pixels = read_self_check(card).pixels
        engine = OrtEngine(bundle, model, "cpu", "fp32", CpuThreads(1))
        outputs = engine.run(tensor_of(pixels, card.input))
        engine.close()
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {PIXELS: pixels, **outputs}
        np.savez(buffer, **arrays)
        self.file(
            card.check.file.path, buffer.getvalue(), lambda document: document["models"][model]["self_check"]
        )

    def everywhere(self, change):
        """Change the multitask network's weights, as if it had been trained and exported so."""
        self.checkpoint(change)
        self.graph("multitask", change)
        self.stored("multitask")


def replaced(path, content):
    path.unlink()
    path.write_bytes(content)


@pytest.fixture
def standin(standin_root, tmp_path):
    return Root(standin_root, tmp_path / "root")


@pytest.fixture
def permuted(permuted_root, tmp_path):
    return Root(permuted_root, tmp_path / "root")


@pytest.fixture(scope="session")
def responsive_root(standin_root, tmp_path_factory):
    """The stand-in without landmarks, whose heads know its pictures: faces are happy, yaw turns in a mirror.

    Among the faces are those whose expression is known, where they are at hand.
    """
    root = Root(standin_root, tmp_path_factory.mktemp("responsive") / "root")
    root.no_stand_in()
    without_landmarks(root)
    for name in SMILING_FACES if SHARED_ROOT.exists() else ():
        shutil.copy(SHARED_ROOT / "images" / name, root.folder / "images")
    heads = fitted(root)
    root.everywhere(lambda name, _: heads.get(name))
    return root.folder


def without_landmarks(root):
    def change(document):
        del document["models"]["landmarks"]
        document["weights"] = [each for each in document["weights"] if "Landmark" not in each["file"]]

    root.manifest(change)
    (root.weights / "Landmark_98.pkl").unlink()


@pytest.fixture
def faceless(standin):
    """Weights of one's own that answer to no face: the stand-ins, without their mark."""
    standin.no_stand_in()
    return standin


@pytest.fixture
def responsive(responsive_root, tmp_path):
    return Root(responsive_root, tmp_path / "root")


def fitted(root):
    """Last layers of the emotion and gaze heads, exact on the pictures and their mirror images."""
    found = pictures_below(root.folder / "images", 99)
    pictures, names = [each.pixels for each in found], [each.name for each in found]
    mirrored = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    (model,) = (each for each in models_in(root.weights, None) if each.name == "multitask")
    module = model.make().eval()
    load_all({root.weights / model.file: module})
    seen = {}
    for name in ("emotion_classifier", "gaze_regressor"):
        layer = getattr(module, name)
        layer.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0].numpy()}))
    card = open_bundle(root.bundle).model("multitask").input
    with torch.inference_mode():
        module(torch.from_numpy(faces_of(card, pictures + mirrored)))
    logits = np.zeros((2 * len(pictures), len(LABELS.emotions)))
    smiling = [not name.startswith("au/") for name in names] * 2
    logits[np.arange(len(logits)), np.where(smiling, HAPPY, NEUTRAL)] = CERTAIN
    yaw = np.linspace(-0.4, 0.4, len(pictures))
    pitch = np.full(len(pictures), 0.3)
    gaze = np.concatenate([np.stack([yaw, pitch], axis=1), np.stack([-yaw, pitch], axis=1)])
    return layer_of("emotion_classifier", seen, logits) | layer_of("gaze_regressor", seen, gaze)


def layer_of(name, seen, wanted):
    """The smallest weights that make `wanted` of what the layer has seen."""
    source = np.concatenate([seen[name], np.ones((len(wanted), 1))], axis=1)
    found = np.linalg.lstsq(source.astype(np.float64), wanted, rcond=None)[0].astype(np.float32)
    return {f"{name}.weight": np.ascontiguousarray(found[:-1].T), f"{name}.bias": found[-1].copy()}
