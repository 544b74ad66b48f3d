"""What tools/bench.py measures, each in a process of its own: bench_contestants.py NAME CASE ROOT WORK.

A contestant prints "ready" once it is warm, then runs its pictures once for every line on its standard input
and prints the seconds that took.  None is measured while another runs.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from timing import Step, serve

from of3.engines.base import CpuThreads, Wait
from of3.engines.bundle import read_bundle
from of3.engines.host import cores
from of3.engines.ort import OrtEngine
from of3.engines.selfcheck import tensor_of
from of3.runtime.logs.journal import Item, stamp_of
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.writer import Mode, RunLogs, Writer
from of3.runtime.networks import MULTITASK, Networks, needed_by
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.stream import delayed
from of3.runtime.types import Failure, Floats, Image, Record, Source
from of3.runtime.vision import images, multitask
from of3.runtime.vision.resample import resample
from of3.runtime.vision.tensor import normalise

SETTINGS = {
    "aligned": Settings(),
    "detect": Settings(detect=True),
    "landmarks": Settings(detect=True, landmarks=True),
}


class Case:
    """The pictures of a case and how they are to be analysed."""

    def __init__(self, name: str, root: Path, work: Path):
        self.name = name
        self.root = root
        self.bundle = read_bundle(root / "weights" / "of3_bundle")
        self.folder = work / name
        self.paths = images.find_images(str(self.folder))
        self.settings = next(value for key, value in SETTINGS.items() if name.startswith(key))
        self.networks = needed_by(self.settings)

    def decoded(self) -> list[Image]:
        return [images.read_image(Source(path, path)) for path in self.paths]


class Logs:
    """Tables and per-image files, in a folder that goes with them.  Use as a context manager."""

    def __init__(self, case: Case):
        self._rows = RowOptions(landmark_formats=("json",) if case.settings.landmarks else ())
        self._root = str(case.folder)

    def write(self, result: Record | Failure) -> None:
        self._tables.add(self._writer.write(result, Item(result.source, stamp_of(result.source))))

    def __enter__(self) -> "Logs":
        self._folder = tempfile.TemporaryDirectory()
        place = Path(self._folder.name)
        self._tables = RunLogs(place, self._rows, Mode())
        self._writer = Writer(place, self._root, self._rows)
        return self

    def __exit__(self, *_: object) -> None:
        self._tables.__exit__(None, None, None)
        self._folder.cleanup()


def project(case: Case) -> Step:
    """This project end to end: a folder in, all its logs out."""
    pipeline = Pipeline(case.bundle, case.settings)

    def step() -> None:
        with Logs(case) as out:
            for result in pipeline.run(case.paths):
                assert isinstance(result, Record), result
                out.write(result)

    return step


def raw_engine(parallel_runs: int) -> Callable[[Case], Step]:
    """The networks alone on ready batches, `parallel_runs` runs side by side: the ceiling of the pipeline."""

    def made(case: Case) -> Step:
        # Batches of 8 are the multitask network's best on all cores, 4 on one; the others do best with 1.
        rows = 8 if parallel_runs == 1 and case.networks == [MULTITASK] else 0
        networks = Networks(case.bundle, replace(case.settings, parallel_runs=parallel_runs, batch=rows))
        ready = [(model, tensors_for(case, model, networks.rows(model))) for model in case.networks]

        def started() -> Iterator[Wait]:
            for model, tensors in ready:
                for _ in range(len(case.paths) // len(tensors)):
                    yield networks.start(model, tensors)

        return lambda: [
            wait() for wait in delayed(started(), lambda: parallel_runs + 2 if parallel_runs > 1 else 1)
        ]

    return made


def tensors_for(case: Case, model: str, rows: int) -> list[Floats]:
    """Noise as a model is fed it."""
    card = case.bundle.model(model).input
    sides = zip(card.shape[2:], (720, 1280), strict=True)
    height, width = (side if isinstance(side, int) else default for side, default in sides)
    rng = np.random.default_rng(0)
    return list(tensor_of(rng.integers(0, 256, (rows, height, width, 3), np.uint8), card))


def decode(case: Case) -> Step:
    """Reading and decoding, one thread."""
    return lambda: [images.read_image(Source(path, path)) for path in case.paths]


def resampling(case: Case) -> Step:
    """Resampling and normalising whole pictures, one thread."""
    card = case.bundle.model("multitask").input
    pictures = [image.pixels for image in case.decoded()]
    return lambda: [normalise(resample(pixels, 224), card) for pixels in pictures]


def writing(case: Case) -> Step:
    """Writing the tables and per-image files, one thread."""
    with Pipeline(case.bundle, case.settings) as pipeline:
        results: list[Record | Failure] = list(pipeline.run(case.paths))

    def step() -> None:
        with Logs(case) as out:
            for result in results:
                out.write(result)

    return step


def latency(case: Case) -> Step:
    """One picture at a time through the pipeline: an array in, a record out."""
    pipeline = Pipeline(case.bundle, case.settings)
    pictures = [image.pixels for image in case.decoded()]
    return lambda: [next(pipeline.run([pixels])) for pixels in pictures]


def raw_latency(case: Case) -> Step:
    """The multitask network alone, one ready picture at a time."""
    engine = OrtEngine(case.bundle, "multitask", "cpu", "fp32", CpuThreads(cores(), spin=True))
    (tensor,) = tensors_for(case, "multitask", 1)
    return lambda: [engine.run(tensor[None]) for _ in case.paths]


def users_script(threads: int) -> Callable[[Case], Step]:
    """The PyTorch modules as the original drives them: one picture at a time, read to row, nothing overlaps."""

    def made(case: Case) -> Step:
        import torch

        from of3.export.checkpoints import load_all
        from of3.export.models import models_in
        from of3.export.verify import to_input

        torch.set_num_threads(threads)
        (model,) = (model for model in models_in(case.root / "weights", None) if model.name == "multitask")
        module = model.make().eval()
        load_all({case.root / "weights" / model.file: module})
        labels = case.bundle.labels
        aus = {au: index for index, au in enumerate(labels.aus)}

        @torch.inference_mode()
        def analysed(path: str) -> Record:
            pixels = images.read_image(Source(path, path)).pixels
            emotion, gaze, au = (part.numpy() for part in module(to_input(model, pixels, (224, 224))[None]))
            raw = multitask.row({"emotion_logits": emotion, "gaze_rad": gaze, "au": au}, 0)
            found = multitask.estimate(raw, labels, aus)
            return Record(
                source=path,
                emotion=found.emotion,
                probabilities=found.probabilities,
                gaze_rad=found.gaze_rad,
                aus=found.aus,
                raw=raw,
                box=None,
                confidence=None,
                landmarks=None,
            )

        def step() -> None:
            with Logs(case) as out:
                for path in case.paths:
                    out.write(analysed(path))

        return step

    return made


CONTESTANTS = {
    "project": project,
    "raw engine": raw_engine(parallel_runs=1),
    "raw engine, parallel_runs": raw_engine(parallel_runs=cores()),
    "decode": decode,
    "resample": resampling,
    "write": writing,
    "latency": latency,
    "raw latency": raw_latency,
    "PyTorch 1 thread": users_script(1),
    "PyTorch 2 threads": users_script(2),
}


def main(arguments: Sequence[str]) -> None:
    name, case, root, work = arguments
    serve(CONTESTANTS[name](Case(case, Path(root), Path(work))))


if __name__ == "__main__":
    main(sys.argv[1:])
