"""A bundle -> models in a Triton repository: a folder each, `config.pbtxt` and the graph itself.

Fields and their names: Triton's `model_config.proto`; the graph's place, its name and what is said of searching
for convolutions: the ONNX Runtime backend's own documentation.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from of3.engines.bundle import Bundle, BundleError, InputCard, ModelCard, ModelFile
from of3.engines.manifest import MANIFEST
from of3.export.workplace import PlaceTaken, write_folder

log = logging.getLogger(__name__)

CONFIG, GRAPH = "config.pbtxt", Path("1", "model.onnx")
MARK = "# Written by `of3 export --triton` from"
TERMS = "# The graph beside it counts as the weights: academic, non-commercial use, not to be passed on."
# Not bf16: onnxruntime's CUDA provider lacks kernels that detector and landmarks need in it.
PRECISIONS = ("fp32", "fp16")
# Batches that need not wait for more, up to the largest there may be.  Few sizes: to the CUDA provider each new
# shape is a search for convolutions.  Small ones of whole pictures: one of 4096x2160 is 106 MB of floats.
FACES, PICTURES = (4, 8, 16, 32), (2, 4)
QUEUE_DELAY_US = 2000


def write_repository(repository: Path, bundle: Bundle, precision: str, is_forced: bool) -> None:
    """Every model of `bundle` as a model of `repository`, whose other models stay as they are.

    Graphs are hard links where the file system has them, else copies.  Raises PlaceTaken, before anything
    was written; BundleError; OSError.
    """
    models = {repository / name_of(card): card for card in bundle.models.values()}
    for folder in models:
        _check_free(folder, is_forced)
    for folder, card in models.items():
        file = graph_of(bundle, card, precision)
        write_folder(folder, partial(_fill, text=config(bundle, card), file=file))
        log.info("Triton model written: %s", folder)
    log.info("the repository counts as the weights: not to be passed on, nor served commercially")


def name_of(card: ModelCard) -> str:
    return f"of3_{card.name}"


def graph_of(bundle: Bundle, card: ModelCard, precision: str) -> ModelFile:
    """The graph to be served: the one asked for, or what runs in its place.  Raises BundleError."""
    substitute = card.substitutes.get(precision)
    taken = substitute.precision if substitute else precision
    if taken not in card.files:
        raise BundleError(f"{bundle.folder / MANIFEST}: {card.lacks(taken)}")
    return card.files[taken]


def _check_free(folder: Path, is_forced: bool) -> None:
    """Raises PlaceTaken unless a model may be written at `folder`."""
    if not folder.exists():
        return
    if not is_forced:
        raise PlaceTaken(f"{folder} exists: move it away, or pass --force to export anew and replace it")
    if not _is_ours(folder):
        raise PlaceTaken(f"{folder} was not written by `of3 export`: move it away, or pass another --triton")


def _is_ours(folder: Path) -> bool:
    try:
        return (folder / CONFIG).read_bytes().startswith(MARK.encode())
    except OSError:
        return False


def _fill(folder: Path, text: str, file: ModelFile) -> None:
    content = file.read()  # digest checked, whether it is linked or copied
    (folder / CONFIG).write_text(text, "utf-8")
    graph = folder / GRAPH
    graph.parent.mkdir()
    try:
        os.link(file.path, graph)
    except OSError:  # another file system, or one without hard links
        graph.write_bytes(content)


def config(bundle: Bundle, card: ModelCard) -> str:
    """The text of a model's `config.pbtxt`.

    What the numbers mean, and how pixels become what the network eats, stands in `parameters`, which Triton
    hands to whoever asks for the configuration.
    """
    batches = PICTURES if card.input.is_free else FACES
    lines = [
        f"{MARK} bundle {bundle.digest[:12]}.",
        TERMS,
        f"name: {_quoted(name_of(card))}",
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {batches[-1]}",
        *_tensors("input", {card.input.name: card.input.shape}),
        *_tensors("output", {output.name: output.shape for output in card.outputs}),
        "dynamic_batching {",
        f"  preferred_batch_size: [ {', '.join(map(str, batches))} ]",
        f"  max_queue_delay_microseconds: {QUEUE_DELAY_US}",
        "}",
        *(_parameter(key, value) for key, value in _parameters(bundle, card).items()),
    ]
    return "\n".join(lines) + "\n"


def _tensors(field: str, shapes: Mapping[str, Sequence[int | str]]) -> Iterator[str]:
    """The batch is Triton's to add, so that `dims` begins behind it; sides that are free are -1."""
    for name, shape in shapes.items():
        dims = ", ".join(str(side if isinstance(side, int) else -1) for side in shape[1:])
        yield f"{field} {{ name: {_quoted(name)} data_type: TYPE_FP32 dims: [ {dims} ] }}"


def _parameters(bundle: Bundle, card: ModelCard) -> dict[str, str]:
    labels = {
        "emotions": bundle.labels.emotions,
        "aus": tuple(f"AU{number}" for number in bundle.labels.aus),
        "gaze": bundle.labels.gaze,
    }
    searching = {"cudnn_conv_algo_search": "1"} if card.input.is_free else {}  # by rule: each size is another
    return {
        **searching,
        **_input(card.input),
        **{f"of3.output.{output.name}": f"{output.meaning}; {output.unit}" for output in card.outputs},
        **{f"of3.labels.{name}": ",".join(names) for name, names in labels.items() if card.name == "multitask"},
        "of3.weights": ",".join(f"{file} {status}" for file, status in bundle.weights.items()),
    }


def _parameter(key: str, value: str) -> str:
    return f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"


def _input(card: InputCard) -> dict[str, str]:
    return {
        "of3.input.is": "float32 NCHW of (pixel * scale - mean) / std, by channel",
        "of3.input.color_order": card.color_order,
        "of3.input.scale": f"{card.scale:.9g}",
        "of3.input.mean": ",".join(f"{value:.9g}" for value in card.mean),
        "of3.input.std": ",".join(f"{value:.9g}" for value in card.std),
    }


def _quoted(text: str) -> str:
    """A string of protobuf's text format, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False)
