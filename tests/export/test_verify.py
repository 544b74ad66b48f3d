import dataclasses

import numpy as np
import pytest

from of3.engines.base import CpuThreads
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.export.checkpoints import load_all
from of3.export.models import detector
from of3.export.pictures import draw_face
from of3.export.verify import ExportRefused, refuse_beyond_bounds, table, verify


class Shifted:
    """An engine whose first output is wrong by a little, for batches only if `from_batch` is 2."""

    name, max_batch, max_in_flight = "shifted", 8, 1

    def __init__(self, engine, shift, from_batch=1):
        self.engine, self.shift, self.from_batch = engine, shift, from_batch

    def run(self, batch):
        outputs = dict(self.engine.run(batch))
        if len(batch) >= self.from_batch:
            outputs["loc"] = outputs["loc"] + np.float32(self.shift)
        return outputs

    def start(self, batch):
        outputs = self.run(batch)
        return lambda: outputs

    def close(self):
        self.engine.close()


@pytest.fixture(scope="module")
def module(standin_root):
    network = detector().make().eval()
    load_all({standin_root / "weights" / detector().file: network})
    return network


@pytest.fixture
def engine(bundle_folder):
    return OrtEngine(read_bundle(bundle_folder), "detector", "cpu", "fp32", CpuThreads(2))


PICTURES = [draw_face(seed) for seed in range(8)]


def test_the_exported_graph_is_within_its_bounds(module, engine):
    found = verify(detector(), module, engine, PICTURES)
    refuse_beyond_bounds(found)
    assert [row.output for row in found] == ["loc", "conf", "landms"]
    assert all(row.largest > 0.1 for row in found), "outputs near zero would hide a difference"


@pytest.mark.parametrize(("shift", "from_batch"), [(3e-4, 1), (3e-4, 2), (np.nan, 1)])
def test_a_planted_difference_is_refused(module, engine, shift, from_batch):
    found = verify(detector(), module, Shifted(engine, shift, from_batch), PICTURES)
    with pytest.raises(ExportRefused, match="detector loc; nothing written"):
        refuse_beyond_bounds(found)


def test_the_table_names_every_output(module, engine):
    text = table(verify(detector(), module, engine, PICTURES))
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [
        ["detector", "loc"],
        ["detector", "conf"],
        ["detector", "landms"],
    ]


def test_bounds_are_those_promised():
    assert set(detector().bounds.values()) == {1e-4}
    assert dataclasses.replace(detector(), name="x").name == "x"
