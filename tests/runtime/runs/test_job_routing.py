"""`of3 run`: batches that the best engine was not built for, and which engine did how many."""

import json
import shutil
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from of3.engines.base import BatchRefused
from of3.engines.fallback import Candidate, Fallback
from of3.engines.open import open_engine
from of3.engines.registry import KINDS
from of3.engines.trt import plan_file
from of3.engines.trt.build import profile_of
from of3.engines.trt.engine import ends_of
from of3.engines.trt.plan_file import PlanCard
from of3.runtime import networks
from of3.runtime.networks import DETECTOR


@dataclass
class Planned:
    """onnxruntime, within what a TensorRT plan of the model takes."""

    engine: Any
    plan: PlanCard
    name: str = "planned"
    max_in_flight: int = 2

    @property
    def max_batch(self):
        return self.plan.max_batch

    def start(self, batch):
        if not self.plan.takes(batch.shape):
            raise BatchRefused(f"got {batch.shape[3]}x{batch.shape[2]}")
        return self.engine.start(batch)

    def run(self, batch):
        return self.start(batch)()

    def close(self):
        pass


@pytest.fixture
def with_plans(monkeypatch):
    """Every model on a plan as `of3 build` makes them, and onnxruntime after it."""

    def opened(bundle, model, choice, threads):
        engine, card = open_engine(bundle, model, choice, threads), bundle.model(model)
        plan = PlanCard(
            model=model,
            precision="fp32",
            tf32=False,
            library="tensorrt",
            version="",
            cuda_major=13,
            gpu="",
            compute_capabilities=(),
            system=plan_file.system(),
            profile=profile_of(card, 32),
            tensors=ends_of(card),
            source_sha256="",
            plan_sha256="",
            plan_bytes=1,
        )
        candidates = [Candidate(KINDS["tensorrt"], "fp32", lambda: Planned(engine, plan))]
        return Fallback(model, [*candidates, Candidate(KINDS["cpu"], "fp32", lambda: engine)])

    monkeypatch.setattr(networks, "open_engine", opened)


def put(folder, width, height):
    pixels = np.full((height, width, 3), 127, np.uint8)
    (folder / f"{width}x{height}.jpg").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def engines(out):
    return json.loads((out / "run.json").read_text())["engines"]


@pytest.mark.usefixtures("with_plans")
def test_photographs_of_telephones_stay_on_the_plan_and_what_does_not_is_said_once(run, out, aligned, caplog):
    for width, height in ((4032, 3024), (2160, 3840), (4200, 64), (64, 4200)):
        put(aligned, width, height)
    assert run("--skip_detect", "off", "--no_calib", "on", "--device", "cpu") == 0
    done = engines(out)[DETECTOR]["batches"]
    assert done.pop("planned") == 5 + 2
    assert list(done.values()) == [2]
    said = [text for text in caplog.messages if "such batches run on" in text]
    assert len(said) == 1
    assert said[0].startswith("detector: got 4200x64; such batches run on onnxruntime ")


@pytest.mark.usefixtures("with_plans")
@pytest.mark.parametrize(("batch", "runs"), [("2", 3), ("3", 2), ("5", 2), ("64", 1)])
def test_a_last_batch_of_one_row_is_run_as_any_other(run, out, aligned, batch, runs):
    """Of six files, one of them no picture."""
    assert run("--batch", batch, "--no_calib", "on", "--device", "cpu") == 0
    assert engines(out)["multitask"]["batches"] == {"planned": runs}


@pytest.mark.usefixtures("with_plans")
def test_pictures_of_many_sizes_keep_their_order_and_their_engine(run, out, aligned):
    for number, side in enumerate((64, 333, 97, 640, 31)):
        shutil.copy(aligned / "face_0.png", aligned / f"z{number}.png")
        put(aligned, side, side + 7)
    assert run("--skip_detect", "off", "--no_calib", "on", "--device", "cpu") == 0
    assert sum(engines(out)[DETECTOR]["batches"].values()) == 15
    assert engines(out)[DETECTOR]["batches"]["planned"] == 14  # 31 px are below what plans are built for
