"""An open pipeline with its AU order, as a command line asks for it, and what it does to a list of pictures."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from of3.engines import host
from of3.engines.base import BatchRefused, EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.workers import WorkerDied
from of3.runtime.drawing.gaze import GazeNames
from of3.runtime.logs.entries import Entries
from of3.runtime.logs.items import Item
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.rows import Result, taken
from of3.runtime.logs.writer import Writer
from of3.runtime.opened import Message
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.calibrate import Calibration, calibration_of, documented, to_document
from of3.runtime.runs.drawn import NO_ARROWS, Drawing
from of3.runtime.runs.flags import (
    bundle_of,
    identity_of,
    most_of,
    row_options,
    saying_how_to_export,
    settings_of,
    to_json,
)
from of3.runtime.runs.messages import before
from of3.runtime.runs.root import Root
from of3.runtime.runs.runinfo import made_with
from of3.runtime.types import Failure, RunBroken, RunError

log = logging.getLogger(__name__)


class Session:
    """Use as a context manager, from one thread."""

    def __init__(self, options: Options, cores: int = 0, at_once: int = 0):
        """cores: that it may keep busy, 0 for all.  at_once: runs of a network side by side, 0 for one a core.

        Raises RunError.
        """
        if cores:  # OpenCV would take a thread for every core of the machine, in each of many processes
            cv2.setNumThreads(cores)
        self.options, self._root = options, Root(options.aligned)
        self._before: dict[str, Counter[str]] = {}
        bundle = bundle_of(options)
        try:
            with saying_how_to_export(options):
                settings = settings_of(options, bundle, cores or host.cores())
                at_once = at_once or settings.parallel_runs
                self.pipeline = Pipeline(bundle, replace(settings, parallel_runs=at_once))
        except EngineUnavailable as error:
            raise RunError(str(error)) from error

    def calibration(self, cache: Path) -> Calibration:
        """The AU order by the reference pictures.  cache: an `au_info.json`, there or not.

        Raises RunBroken as `write_all` does.
        """
        options, bundle = self.options, self.pipeline.bundle
        if options.no_calib:
            return documented(bundle.labels.aus, "documented order: --no_calib on")
        pictures = options.of3_root / "images" / "au"
        used = cache if options.calib_cache else None
        with or_run_broken():
            found = calibration_of(
                self.pipeline.bundle, pictures, used, options.calib_guard, self.pipeline.au_scores
            )
        if found.is_doubtful:
            log.warning("AU order: %s", found.note)
        return found

    def identity(self, au_to_index: Mapping[int, int]) -> dict[str, Any]:
        """What makes the rows: a run of another identity may not go on with this one."""
        found = identity_of(to_json(self.options), self.pipeline.bundle.digest)
        return {**found, "au": {str(au): index for au, index in au_to_index.items()}}

    def run_of(self, calibration: Calibration) -> Run:
        """What all rows share."""
        labels, aus = self.pipeline.labels, calibration.au_to_index
        return Run(
            identity=self.identity(aus),
            rows=row_options(self.options, self.pipeline.bundle),
            root=str(Path(self.options.aligned)),
            names=OutputNames(tuple(label.lower() for label in labels.emotions), tuple(labels.gaze), aus),
            au_info=to_document(calibration, self.pipeline.bundle.labels.aus),
        )

    def drawing(self) -> Drawing:
        """How its pictures are drawn."""
        gaze = GazeNames.of(self.pipeline.labels.gaze, self.pipeline.bundle.labels.gaze_measured)
        return Drawing(gaze, max_pixels=self.options.max_pixels)

    def made_with(self) -> dict[str, Any]:
        """As of `runinfo.made_with`; the batches are those of the last `write_all`."""
        return made_with(self.pipeline, self._before)

    def write_all(
        self,
        items: Iterable[Item],
        au_to_index: Mapping[int, int],
        writer: Writer,
        entered: Callable[[Sequence[tuple[Item, Result]]], Entries],
    ) -> Iterator[Entries]:
        """Some pictures' entries at a time, in order, once their own files are written.

        entered: makes the entries, on any thread.  Raises RunBroken: no engine, or a thread, is left to go on;
        InputLost: no pictures are.
        """
        self._before = self.pipeline.batches()
        pictures = ((item, item.path) for item in items)

        def written(results: Sequence[tuple[Item, Result]]) -> Entries:
            for item, result in results:
                if isinstance(result, Failure) and result.stage == "read":
                    self.check_input()
                writer.write(taken(result), item)
            return entered(results)

        faces = self.options.faces
        with or_run_broken():
            if faces == "best":
                yield from self.pipeline.run_batches(pictures, written, au_to_index)
            else:
                yield from self.pipeline.run_faces_batches(pictures, written, most_of(faces), au_to_index)

    def check_input(self) -> None:
        """Raise InputLost where the folder that was read from is gone, another, or empty."""
        self._root.check()

    def messages(self) -> list[Message]:
        """What is to be said before the first picture."""
        lacks_arrows = self.options.overlay and self.drawing().gaze is None
        return [*before(self.pipeline, self.options), *[(logging.INFO, NO_ARROWS)] * lacks_arrows]

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.close()


@contextmanager
def or_run_broken() -> Iterator[None]:
    """What no picture did and no other engine can take over, as RunBroken."""
    try:
        yield
    except EngineFailed as error:
        raise RunBroken(f"the engine failed and none is left to go on: {error}") from error
    # The next engine is not there, or its file changed since the run began; a thread.
    except (BatchRefused, BundleError, EngineUnavailable, WorkerDied) as error:
        raise RunBroken(str(error)) from error
