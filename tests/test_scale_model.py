"""The calculation behind docs/scale.md."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "scale_model.py"


@pytest.fixture(scope="module")
def model():
    spec = importlib.util.spec_from_file_location("scale_model", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale_model"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cluster(model):
    """Ten equal nodes of 100 images/s, which never fail."""
    return model.Cluster(10, 1e6, 100.0, 1000, 5.0, 15.0, 20.0, deviation=0.0, failure_hours=1e12)


def test_equal_nodes_share_equally(model, cluster):
    outcome = model.simulate(cluster)
    assert outcome.compute_s == pytest.approx(5 + 1e6 / 1000)
    assert outcome.efficiency == pytest.approx(1000 / 1005)
    assert outcome.failures == 0


def test_what_takes_longest_is_named(model, cluster):
    assert model.simulate(cluster).first_limit == "the nodes"
    assert model.simulate(replace(cluster, nodes=1000, manifest_s=60.0)).first_limit == "the manifest"
    assert model.simulate(replace(cluster, nodes=1000, merge_s=60.0)).first_limit == "the merge"
    assert model.simulate(replace(cluster, nodes=1000, storage_files_s=1e3)).first_limit == "shared storage"
    assert model.simulate(replace(cluster, image_bytes=1e8)).storage_s == pytest.approx(
        1e6 * (1e8 + 400) / 50e9
    )


def test_failures_cost_the_shard_they_fall_into_and_the_repair(model, cluster):
    outcome = model.simulate(replace(cluster, failure_hours=0.3))
    assert outcome.failures > 3
    least_s = 1e6 / 1000 + (outcome.failures - 10) * 600 / 10  # at the end ten may be away for nothing
    assert least_s < outcome.compute_s < 1005 + outcome.failures * (600 + 5 + 10)
