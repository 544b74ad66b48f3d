"""A contestant of `python -m tools.bench`: says once it is warm, then runs its pictures for every line of its
standard input and says how long that took.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from of3.engines.base import CpuThreads, Wait
from of3.engines.host import cores
from of3.engines.manifest import read_bundle
from of3.engines.ort import OrtEngine
from of3.runtime.bundle import documented_order
from of3.runtime.networks import MULTITASK, Networks, needed_by
from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.stream import delayed
from of3.runtime.types import Failure, Floats, Pixels, Record, Sample, Source
from of3.runtime.vision.images import read_image
from of3.runtime.vision.multitask import numbers_of, record_of
from of3.runtime.vision.sample import CROP_PX, face_tensor
from tools.bench.logs import open_logs
from tools.bench.timing import Step, serve


class Case:
    """The pictures of a case and how they are to be analysed."""

    def __init__(self, name: str, root: Path, work: Path):
        self.weights = root / "weights"
        self.bundle = read_bundle(self.weights / "of3_bundle")
        self.folder = work / name
        self.paths = sorted(str(path) for path in self.folder.iterdir())
        kind = name.partition("_")[0]
        self.settings = Settings(detect=kind != "aligned", landmarks=kind == "landmarks")

    def decoded(self) -> list[Pixels]:
        return [read_image(Source(path, path)).pixels for path in self.paths]


def logged(case: Case, analysed: Callable[[], Iterable[Record | Failure]]) -> Step:
    """Results -> all their logs, in a folder that goes with them.  A stand-in's box may be empty."""

    def step() -> None:
        labels = case.bundle.labels
        with tempfile.TemporaryDirectory() as place, open_logs(Path(place), case.folder, labels) as write:
            for result in analysed():
                assert isinstance(result, Record) or result.stage == "crop", result
                write(result)

    return step


def project(case: Case) -> Step:
    """This project end to end: a folder in, all its logs out."""
    pipeline = Pipeline(case.bundle, case.settings)
    return logged(case, lambda: pipeline.run(case.paths))


def writing(case: Case) -> Step:
    """Writing the tables and per-image files, one thread."""
    with Pipeline(case.bundle, case.settings) as pipeline:
        results = list(pipeline.run(case.paths))
    return logged(case, lambda: results)


def raw_engine(case: Case, parallel_runs: int) -> Step:
    """The networks alone on ready batches, `parallel_runs` runs side by side: the ceiling of the pipeline."""
    models = needed_by(case.settings)
    # Batches of 8 are the multitask network's best on all cores, 4 on one; the others do best with 1.
    rows = 8 if parallel_runs == 1 and models == [MULTITASK] else 0
    networks = Networks(case.bundle, replace(case.settings, parallel_runs=parallel_runs, batch=rows))
    ready = [(model, noise_for(case, model, networks.rows(model))) for model in models]
    in_flight = parallel_runs + 2 if parallel_runs > 1 else 1

    def started() -> Iterator[Wait]:
        for model, batch in ready:
            for _ in range(len(case.paths) // len(batch)):
                yield networks.start(model, batch)

    return lambda: [wait() for wait in delayed(started(), lambda: in_flight)]


def noise_for(case: Case, model: str, rows: int) -> Floats:
    """A batch as a model is fed it, the detector at 1280x720."""
    sides = zip(case.bundle.model(model).input.shape, (rows, 3, 720, 1280), strict=True)
    shape = [side if isinstance(side, int) else asked for side, asked in sides]
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def resampling(case: Case) -> Step:
    """Resampling and normalising whole pictures, one thread."""
    card, pictures = case.bundle.model(MULTITASK).input, case.decoded()
    out = np.empty((3, CROP_PX, CROP_PX), np.float32)

    def step() -> None:
        for pixels in pictures:
            face_tensor(pixels, card, out)

    return step


def latency(case: Case) -> Step:
    """One picture at a time through the pipeline: an array in, a record out."""
    pipeline, pictures = Pipeline(case.bundle, case.settings), case.decoded()
    return lambda: [next(pipeline.run([pixels])) for pixels in pictures]


def raw_latency(case: Case) -> Step:
    """The multitask network alone, one ready picture at a time."""
    engine = OrtEngine(case.bundle, MULTITASK, "cpu", "fp32", CpuThreads(cores(), spin=True))
    batch = noise_for(case, MULTITASK, 1)
    return lambda: [engine.run(batch) for _ in case.paths]


def users_script(case: Case, threads: int) -> Step:
    """The PyTorch modules as the original drives them: one picture at a time, read to row, nothing overlaps."""
    import torch

    from of3.export.checkpoints import load_all
    from of3.export.models import models_in
    from of3.export.verify import to_input

    torch.set_num_threads(threads)
    (model,) = (model for model in models_in(case.weights, None) if model.name == MULTITASK)
    module = model.make().eval()
    load_all({case.weights / model.file: module})
    labels = case.bundle.labels
    aus = documented_order(labels.aus)

    @torch.inference_mode()
    def analysed(path: str) -> Record:
        pixels = read_image(Source(path, path)).pixels
        emotion, gaze, au = (part.numpy() for part in module(to_input(model, pixels, (224, 224))[None]))
        outputs = {"emotion_logits": emotion, "gaze_rad": gaze, "au": au}
        return record_of(Sample(path, "", emotion, None, None), numbers_of(outputs), {}, 0, labels, aus)

    return logged(case, lambda: map(analysed, case.paths))


CONTESTANTS: dict[str, Callable[[Case], Step]] = {
    "project": project,
    "raw engine": partial(raw_engine, parallel_runs=1),
    "raw engine, side by side": partial(raw_engine, parallel_runs=cores()),
    "decode": lambda case: case.decoded,
    "resample": resampling,
    "write": writing,
    "latency": latency,
    "raw latency": raw_latency,
    "PyTorch 1 thread": partial(users_script, threads=1),
    "PyTorch 2 threads": partial(users_script, threads=2),
}


def main() -> None:
    made = argparse.ArgumentParser(prog="python -m tools.bench.contestants", description=__doc__)
    made.add_argument("name", choices=CONTESTANTS)
    made.add_argument("case", help="a folder of `work`: aligned_224, detect_720p, landmarks_720p, ...")
    made.add_argument("root", type=Path, help="OpenFace folder with a bundle")
    made.add_argument("work", type=Path)
    given = made.parse_args()
    serve(CONTESTANTS[given.name](Case(given.case, given.root, given.work)))


if __name__ == "__main__":
    main()
