"""The networks at their published width, which the narrow stand-ins of all other tests stand for."""

import pytest

from of3.engines.base import CpuThreads
from of3.engines.bundle import Bundle, CheckCard, ModelCard, ModelFile
from of3.engines.ort import OrtEngine
from of3.export.bundle import write_graph
from of3.export.convert import graphs_of
from of3.export.models import LABELS, detector, landmarks, multitask
from of3.export.pictures import draw_face
from of3.export.standin import make_detector, make_multitask, make_star
from of3.export.verify import refuse_beyond_bounds, verify

pytestmark = pytest.mark.long

MODELS = {
    "detector": (detector(), make_detector),
    "multitask": (multitask(), lambda: make_multitask(LABELS.aus)),
    "landmarks": (landmarks(98), lambda: make_star(98)),
}
CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    """A model, its module, and a bundle of its graphs, of which nothing was measured."""
    folder = tmp_path_factory.mktemp("full")
    model, make = MODELS[request.param]
    module = make().eval()
    written = {
        precision: write_graph(folder, model, precision, graph)
        for precision, graph in graphs_of(model, module, ("fp16", "bf16")).items()
    }
    files = {
        precision: ModelFile(folder / entry["path"], entry["sha256"], entry["bytes"])
        for precision, entry in written.items()
    }
    card = ModelCard(model.name, model.input, model.outputs, files, CheckCard(files["fp32"], {}), {})
    return model, module, Bundle(folder, "", True, LABELS, {model.name: card}, {})


def test_the_engine_equals_pytorch(exported):
    model, module, bundle = exported
    engine = OrtEngine(bundle, model.name, "cpu", "fp32", CpuThreads(0, spin=True))
    refuse_beyond_bounds(verify(model, module, engine, [draw_face(seed) for seed in range(3)]))
    engine.close()


@pytest.mark.parametrize("capabilities", [CAPABILITIES, ("7.5",)], ids=["Ampere to Blackwell", "Turing"])
def test_plans_are_built_for_every_gpu_generation(exported, capabilities):
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    from of3.engines.trt import plan_file
    from of3.engines.trt.build import Target, build

    model, _, bundle = exported
    target = Target("tensorrt_rtx", plan_file.ANY_GPU, capabilities, 8, tf32=False)
    for precision in ("fp16",) if capabilities == ("7.5",) else ("fp32", "fp16", "bf16"):
        path = build(bundle, model.name, precision, target)
        assert path.stat().st_size > 0.2 * bundle.model(model.name).files[precision].size_bytes
