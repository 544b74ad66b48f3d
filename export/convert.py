"""The order of an export: load, convert, verify, write; all or nothing."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from of3.engines.bundle import read_bundle
from of3.engines.ort import OrtEngine, import_onnxruntime
from of3.export.bundle import check_destination, model_entry, write_bundle, write_graph, write_manifest
from of3.export.checkpoints import SourceFile, load_all
from of3.export.graph import to_onnx
from of3.export.models import LABELS, Model, models_in
from of3.export.pictures import Pixels, pictures_for
from of3.export.precision import typed
from of3.export.verify import Difference, refuse_beyond_bounds, table, verify

log = logging.getLogger(__name__)

FEWEST_PICTURES, MOST_PICTURES = 8, 16


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

    Raises BundleExists, BadWeights, ExportRefused, PrecisionError, EngineUnavailable, OSError; then nothing was
    written.
    """
    check_destination(options.bundle, options.force)
    import_onnxruntime()  # what the export is verified with: missing, it is said now and not after minutes
    loaded = load(options)
    pictures = pictures_for(options.of3_root, FEWEST_PICTURES, MOST_PICTURES)
    write_bundle(options.bundle, partial(fill, loaded=loaded, pictures=pictures, precisions=options.precisions))
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


def fill(folder: Path, loaded: Loaded, pictures: Sequence[Pixels], precisions: Sequence[str]) -> None:
    """Graphs, then a manifest to open them by, then the same manifest with what was measured."""
    files = {}
    for model in loaded.models:
        log.info("exporting %s", model.name)
        files[model.name] = write_graphs(folder, model, loaded.modules[model.name], precisions)
    _write(folder, loaded, files, {})
    differences = measure(folder, loaded, pictures)
    every = [difference for found in differences.values() for difference in found]
    print(table(every))
    refuse_beyond_bounds(every)
    _write(folder, loaded, files, differences)


def write_graphs(
    folder: Path, model: Model, module: nn.Module, precisions: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """One file per precision, and their entries in the manifest."""
    graph = to_onnx(module, model.signature())
    files = {"fp32": write_graph(folder, model, "fp32", graph)}
    for precision in precisions:
        if precision != "fp32":
            files[precision] = write_graph(folder, model, precision, typed(graph, precision))
    return files


def measure(folder: Path, loaded: Loaded, pictures: Sequence[Pixels]) -> dict[str, list[Difference]]:
    """Every model of the bundle just written, opened as the runtime opens it, against PyTorch."""
    bundle = read_bundle(folder)
    differences = {}
    for model in loaded.models:
        log.info("verifying %s on %d pictures", model.name, len(pictures))
        engine = OrtEngine(bundle, model.name, "cpu", "fp32", threads=0, spin=True)
        differences[model.name] = verify(model, loaded.modules[model.name], engine, pictures)
        engine.close()
    return differences


def _write(
    folder: Path,
    loaded: Loaded,
    files: Mapping[str, Any],
    differences: Mapping[str, Sequence[Difference]],
) -> None:
    entries = {
        model.name: model_entry(model, files[model.name], differences.get(model.name, ()))
        for model in loaded.models
    }
    write_manifest(folder, LABELS, loaded.sources, entries)
