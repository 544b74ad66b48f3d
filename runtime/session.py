"""An open pipeline with its AU order, as a command line asks for it, and what it does to a list of pictures."""

import logging
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from of3.engines import machine
from of3.engines.base import EngineFailed, EngineUnavailable
from of3.engines.bundle import Bundle, BundleError, read_bundle
from of3.engines.open import precision_for
from of3.engines.workers import WorkerDied
from of3.runtime.calibrate import Calibration, calibrate, documented
from of3.runtime.logs import Mode
from of3.runtime.networks import LANDMARKS
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.rows import RowOptions
from of3.runtime.runinfo import flags_of, identity_of, made_with
from of3.runtime.settings import Settings
from of3.runtime.survey import Item
from of3.runtime.types import Failure, Record, RunBroken, RunError

log = logging.getLogger(__name__)

Said = tuple[int, str]  # logging level, line


class Session:
    """Use as a context manager, from one thread."""

    def __init__(self, options: Options, cores: int = 0):
        """cores: that it may keep busy, 0 for all.  Raises RunError."""
        self.options = options
        try:
            bundle = read_bundle(options.bundle)
            self.pipeline = Pipeline(bundle, settings_of(options, bundle, cores or machine.cores()))
        except BundleError as error:
            raise RunError(f"{error}\nof3: make the bundle with: {export_command(options)}") from error
        except EngineUnavailable as error:
            raise RunError(str(error)) from error

    def calibration(self, cache: Path) -> Calibration:
        """The AU order by the reference pictures.  cache: an `au_info.json`, there or not."""
        options = self.options
        if options.no_calib:
            return documented(self.pipeline.bundle.labels.aus, "documented order: --no_calib on")
        pictures = options.of3_root / "images" / "au"
        used = cache if options.calib_cache else None
        found = calibrate(self.pipeline.bundle, pictures, used, options.calib_guard, self.pipeline.au_scores)
        if found.made_from is None or found.ambiguous:
            log.warning("AU order: %s", found.note)
        return found

    def identity(self, au_to_index: Mapping[int, int]) -> dict[str, Any]:
        """What makes the rows: a run of another identity may not go on with this one."""
        found = identity_of(flags_of(self.options), self.pipeline.bundle.digest)
        return {**found, "au": {str(au): index for au, index in au_to_index.items()}}

    def made_with(self) -> dict[str, Any]:
        return made_with(self.pipeline)

    def analyse(
        self, items: Iterable[Item], au_to_index: Mapping[int, int]
    ) -> Iterator[tuple[Record | Failure, Item]]:
        """Each picture's result, in order.  Raises RunBroken: no engine, or a thread, is left to go on."""
        at_work: deque[Item] = deque()

        def paths() -> Iterator[str]:
            for item in items:
                at_work.append(item)
                yield item.path

        try:
            for result in self.pipeline.run(paths(), au_to_index):
                yield result, at_work.popleft()
        except EngineFailed as error:
            raise RunBroken(f"the engine failed and none is left to go on: {error}") from error
        except WorkerDied as error:
            raise RunBroken(f"{error}: the rows so far are written, --resume on goes on from there") from error

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipeline.close()


def export_command(options: Options) -> str:
    """The exact command that makes the bundle these options ask for."""
    words = ["of3", "export", "--of3_root", str(options.of3_root)]
    if options.weights != options.of3_root / "weights":
        words += ["--weights", str(options.weights)]
    if options.bundle != options.weights / "of3_bundle":
        words += ["--bundle", str(options.bundle)]
    return shlex.join(words + (["--force"] if options.bundle.exists() else []))


def settings_of(options: Options, bundle: Bundle, cores: int) -> Settings:
    return Settings(
        device=options.device,
        engine=options.engine,
        is_required=options.require,
        precision=_precision(options),
        tf32=options.tf32,
        gaze_order=options.gaze_order,
        detect=not options.skip_detect,
        landmarks=options.landmarks and LANDMARKS in bundle.models,
        detector_resize=options.detector_resize,
        reject_damaged=options.reject_damaged,
        batch=options.batch,
        workers=0 if options.executor else options.workers,
        lanes=cores,
        cores=cores,
    )


def _precision(options: Options) -> str:
    return options.dtype if options.amp else "fp32"


def row_options(options: Options) -> RowOptions:
    both = ("json", "pts")
    return RowOptions(
        th_smile=options.th_smile,
        th_mouth=options.th_mouth,
        per_image=options.per_image,
        extra_csv=options.extra_csv,
        emotion_topk=options.csv_emotion_topk,
        landmark_formats=both if options.landmarks_fmt == "both" else (options.landmarks_fmt,),
    )


def mode_of(options: Options) -> Mode:
    return Mode(override=options.override, resume=options.resume or options.retry_failed)


def report(session: Session) -> list[Said]:
    """One line per model for what runs and why nothing better does; then what else the user should know."""
    pipeline, options = session.pipeline, session.options
    return [
        *((logging.WARNING, conflict) for conflict in machine.conflicts()),
        *_on_engines(pipeline, options),
        *_on_bundle(pipeline.bundle, options),
    ]


def _on_engines(pipeline: Pipeline, options: Options) -> Iterator[Said]:
    for model, engine in pipeline.networks.engines.items():
        lesser = "".join(f"; not {refusal.engine}: {refusal.reason}" for refusal in engine.refusals)
        _, why = precision_for(pipeline.bundle, model, _precision(options))
        noted = f" ({why})" if why and engine.kind != "cpu" else ""
        yield logging.WARNING if lesser else logging.INFO, f"{model}: {engine.name}{noted}{lesser}"
    if all(engine.kind == "cpu" for engine in pipeline.networks.engines.values()):
        yield logging.INFO, "--amp, --dtype and --tf32 do not apply on the CPU: everything runs in fp32"


def _on_bundle(bundle: Bundle, options: Options) -> Iterator[Said]:
    labels = bundle.labels
    measured = labels.gaze_measured
    if options.gaze_order == "seed" and measured and measured != labels.gaze:
        yield (
            logging.WARNING,
            f"the first gaze output is written as {labels.gaze[0]}, but the mirror test of the export says it "
            f"is {measured[0]}: pass --gaze_order measured to write it so",
        )
    if options.gaze_order == "measured" and not measured:
        order = ", ".join(labels.gaze)
        yield logging.WARNING, f"--gaze_order measured: the export could not tell, the order stays {order}"
    if options.landmarks and LANDMARKS not in bundle.models:
        yield logging.WARNING, "no landmarks: the bundle was made without Landmark_98.pkl or Landmark_68.pkl"
    if bundle.is_stand_in:
        yield logging.WARNING, "STAND-IN WEIGHTS: the numbers mean nothing about faces"
