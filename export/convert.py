"""The order of an export: load, convert, verify, write; all or nothing."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onnx import ModelProto
from torch import nn

from of3.engines import selfcheck
from of3.engines.base import CpuThreads, EngineUnavailable
from of3.engines.bundle import Bundle
from of3.engines.joined import body_of, completed
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.engines.providers import import_onnxruntime
from of3.export import drift
from of3.export.bundle import (
    Measured,
    Written,
    model_entry,
    write_cut,
    write_graph,
    write_manifest,
)
from of3.export.checkpoints import SourceFile, load_all
from of3.export.cut import cut
from of3.export.gaze import gaze_of
from of3.export.graph import to_onnx
from of3.export.mirror import GazeOrder, mirror_test, sentence
from of3.export.models import Model, models_in
from of3.export.observe import observe
from of3.export.pictures import pictures_for, read_pictures
from of3.export.precision import typed
from of3.export.selfcheck import write_self_check
from of3.export.verify import Difference, ExportRefused, refuse_beyond_bounds, table, verify
from of3.export.workplace import check_destination, write_folder
from of3.runtime.types import Pixels

log = logging.getLogger(__name__)

FEWEST_PICTURES, MOST_PICTURES = 8, 16
DRIFT_PICTURES = {"detector": 32, "multitask": 48, "landmarks": 10}  # STAR takes 20 times as long


@dataclass(frozen=True, slots=True)
class ExportOptions:
    of3_root: Path  # its images/ are verified on
    weights: Path
    bundle: Path
    landmark_points: int | None  # None: 98 if there, else 68 if there
    precisions: Sequence[str]  # besides "fp32", which is always written: the CPU runs it
    force: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """Checkpoints in their modules."""

    models: Sequence[Model]
    modules: Mapping[str, nn.Module]
    sources: Sequence[SourceFile]


def export(options: ExportOptions) -> None:
    """Weights -> a bundle at `options.bundle`.

    Raises PlaceTaken, BadWeights, ExportRefused, PrecisionError, EngineUnavailable, OSError; then nothing was
    written.
    """
    check_destination(options.bundle, options.force)
    import_onnxruntime()  # what the export is verified with: missing, it is said now and not after minutes
    loaded = load(options)
    write_folder(
        options.bundle,
        partial(fill, loaded=loaded, of3_root=options.of3_root, precisions=options.precisions),
    )
    log.info("bundle written: %s", options.bundle)


def load(options: ExportOptions) -> Loaded:
    models = models_in(options.weights, options.landmark_points)
    modules = {model.name: model.make().eval() for model in models}
    sources = load_all({options.weights / model.file: modules[model.name] for model in models})
    for source in sources:
        log.info("%s: %s weights, sha256 %s…", source.file, source.status, source.sha256[:12])
    if "landmarks" not in modules:
        log.warning("no Landmark_98.pkl or Landmark_68.pkl: the bundle is made without landmarks")
    return Loaded(models, modules, sources)


def fill(folder: Path, loaded: Loaded, of3_root: Path, precisions: Sequence[str]) -> None:
    """Graphs and how far low precision takes them; a manifest to open them by; then the same manifest with
    their difference from PyTorch."""
    gaze_order = mirror(loaded, of3_root)
    files: dict[str, Written] = {}
    measured: dict[str, Measured] = {}
    for model in loaded.models:
        log.info("exporting %s", model.name)
        graphs = graphs_of(model, loaded.modules[model.name], precisions)
        files[model.name] = write(folder, model, graphs)
        measured[model.name] = weigh(folder, model, loaded.modules[model.name], graphs, of3_root)
    print(drift.table([entry for found in measured.values() for entry in found.drift]))
    _write(folder, loaded, gaze_order, files, measured)
    differences = measure(folder, loaded, pictures_for(of3_root, FEWEST_PICTURES, MOST_PICTURES))
    every = [difference for found in differences.values() for difference in found]
    print(table(every))
    refuse_beyond_bounds(every)
    verified = {name: replace(found, differences=differences[name]) for name, found in measured.items()}
    _write(folder, loaded, gaze_order, files, verified)


def mirror(loaded: Loaded, of3_root: Path) -> GazeOrder:
    """The gaze order by the reference faces below `of3_root`/images; drawn ones would prove nothing."""
    (model,) = (model for model in loaded.models if model.name == "multitask")
    faces = read_pictures(of3_root / "images", MOST_PICTURES)
    found = mirror_test(gaze_of(model, loaded.modules[model.name]), faces)
    log.info("%s", sentence(found))
    return found


def graphs_of(model: Model, module: nn.Module, precisions: Sequence[str]) -> dict[str, ModelProto]:
    """One graph per precision, fp32 always among them."""
    graph = to_onnx(module, model.signature())
    return {"fp32": graph} | {name: typed(graph, name) for name in precisions if name != "fp32"}


def write(folder: Path, model: Model, graphs: Mapping[str, ModelProto]) -> Written:
    """The graphs, and where bf16 is among them the halves for engines that round by themselves."""
    files = {name: write_graph(folder, model, name, graph) for name, graph in graphs.items()}
    is_rounded = "bf16" in graphs
    entry = {"cut": write_cut(folder, model, cut(graphs["fp32"]), files["fp32"])} if is_rounded else {}
    return Written(files, entry)


def weigh(
    folder: Path, model: Model, module: nn.Module, graphs: Mapping[str, ModelProto], of3_root: Path
) -> Measured:
    """Drift of the model's precisions, and the self-check by which an engine is judged later."""
    log.info("measuring the drift of %s in %s and PyTorch's bf16 autocast", model.name, ", ".join(graphs))
    count = DRIFT_PICTURES[model.name]
    observed = observe(model, module, graphs, pictures_for(of3_root, count, count))
    found = drift.drift_of(model.name, module, observed)
    return Measured(
        drift=found,
        self_check=write_self_check(folder, model, observed),
        substitutes=drift.substitutes(model.name, found, list(graphs)),
    )


def measure(folder: Path, loaded: Loaded, pictures: Sequence[Pixels]) -> dict[str, list[Difference]]:
    """Every model of the bundle just written, opened as the runtime opens it, against PyTorch."""
    bundle = read_bundle(folder)
    differences = {}
    for model in loaded.models:
        log.info("verifying %s on %d pictures", model.name, len(pictures))
        engine = OrtEngine(bundle, model.name, "cpu", "fp32", CpuThreads(0, spin=True))
        differences[model.name] = verify(model, loaded.modules[model.name], engine, pictures)
        engine.close()
        try_halves(bundle, model.name)
    return differences


def try_halves(bundle: Bundle, model: str) -> None:
    """Whether the halves of a model make the whole again, in fp32.  Raises ExportRefused."""
    card = bundle.model(model)
    if card.cut is None:
        return
    threads = CpuThreads(0, spin=True)
    body = OrtEngine(body_of(bundle, model, "fp32"), model, "cpu", "fp32", threads)
    engine = completed(bundle, model, body, threads)
    try:
        selfcheck.verify(engine, card, selfcheck.read_self_check(card), "fp32")
    except EngineUnavailable as error:
        raise ExportRefused(f"{error}; nothing written") from error
    finally:
        engine.close()


def _write(
    folder: Path,
    loaded: Loaded,
    gaze_order: GazeOrder,
    files: Mapping[str, Written],
    measured: Mapping[str, Measured],
) -> None:
    entries = {
        model.name: model_entry(model, files[model.name], measured[model.name]) for model in loaded.models
    }
    write_manifest(folder, gaze_order, loaded.sources, entries)
