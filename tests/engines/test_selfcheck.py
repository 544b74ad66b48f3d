import numpy as np
import pytest

from of3.engines.base import BatchRefused, CpuThreads, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.selfcheck import accept, differences, read_self_check, tensor_of, verify

MODELS = ("detector", "multitask", "landmarks")


@pytest.fixture(params=MODELS)
def card(request, bundle_folder):
    return read_bundle(bundle_folder).model(request.param)


@pytest.fixture
def engine(card, bundle_folder):
    opened = OrtEngine(read_bundle(bundle_folder), card.name, "cpu", "fp32", CpuThreads(2))
    yield opened
    opened.close()


class Skewed:
    """An engine whose outputs are off by `by`."""

    name, max_batch, max_in_flight = "skewed", 8, 1

    def __init__(self, engine, by):
        self._engine, self._by = engine, np.float32(by)

    def run(self, batch):
        return {name: value + self._by for name, value in self._engine.run(batch).items()}

    def start(self, batch):
        outputs = self.run(batch)
        return lambda: outputs

    def close(self):
        self._engine.close()


def test_fp32_on_the_cpu_passes(card, engine):
    verify(engine, card, read_self_check(card), "fp32", rows=10)
    check = read_self_check(card)
    assert max(differences(engine, card, check, 10).values()) < 1e-4
    assert len(check.pixels) == 10


@pytest.mark.parametrize("by", [0.5, float("nan")])
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_an_engine_that_computes_something_else_is_refused(card, engine, by, precision):
    with pytest.raises(EngineUnavailable, match=f"skewed fails the self-check of {card.name}"):
        verify(Skewed(engine, by), card, read_self_check(card), precision)


class Counting(Skewed):
    """An engine that breaks at its `last` batch and remembers what it was asked."""

    def __init__(self, engine, last=99, error=EngineFailed, by=0.0):
        super().__init__(engine, by)
        self.sizes: list[int] = []
        self.is_closed, self._last, self._error = False, last, error

    def run(self, batch):
        self.sizes.append(len(batch))
        if len(self.sizes) == self._last:
            raise self._error("the device is lost")
        return super().run(batch)

    def close(self):
        self.is_closed = True


def test_every_size_that_is_kept_ready_is_run_in_every_slot_with_more_rows_than_pictures_are_stored(
    bundle_folder,
):
    bundle = read_bundle(bundle_folder)
    engine = Counting(OrtEngine(bundle, "multitask", "cpu", "fp32", CpuThreads(2)))
    accept(engine, bundle.model("multitask"), "fp32", [1, 1, 8, 8, 32, 32])
    assert engine.sizes == [1, 1, 8, 8, 32, 32]
    assert not engine.is_closed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"last": 4}, "skewed does not run multitask: the device is lost"),
        ({"last": 2, "error": BatchRefused}, "skewed does not run multitask: the device is lost"),
        ({"by": 0.5}, "skewed fails the self-check of multitask"),
    ],
)
def test_an_engine_that_fails_in_any_size_is_closed_and_not_used(bundle_folder, given, said):
    bundle = read_bundle(bundle_folder)
    engine = Counting(OrtEngine(bundle, "multitask", "cpu", "fp32", CpuThreads(2)), **given)
    with pytest.raises(EngineUnavailable, match=said):
        accept(engine, bundle.model("multitask"), "fp32", [1, 1, 8, 8])
    assert engine.is_closed


def test_bounds_widen_with_the_rounding(card):
    bounds = card.check.bounds
    for output in card.outputs:
        assert 0 < bounds["fp32"][output.name] < bounds["tf32"][output.name] <= bounds["fp16"][output.name]


def test_a_check_file_that_changed_is_refused(bundle_copy):
    path = bundle_copy / "multitask.check.npz"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="the file changed since the export"):
        read_self_check(read_bundle(bundle_copy).model("multitask"))


def test_a_picture_becomes_what_the_card_asks(bundle_folder):
    card = read_bundle(bundle_folder).model("detector").input
    tensor = tensor_of(np.full((1, 2, 3, 3), 200, np.uint8), card)
    assert tensor.shape == (1, 3, 2, 3)
    np.testing.assert_array_equal(tensor[0, :, 0, 0], [96, 83, 77])
