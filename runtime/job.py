"""One run of the command line: open, calibrate, analyse, log, sum up."""

import logging
import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from of3.engines import machine
from of3.engines.base import EngineFailed, EngineUnavailable
from of3.engines.bundle import Bundle, BundleError, Labels, read_bundle
from of3.engines.open import precision_for
from of3.engines.workers import WorkerDied
from of3.runtime.calibrate import Calibration, calibrate, documented, to_document
from of3.runtime.images import find_images
from of3.runtime.interruption import Interruption
from of3.runtime.journal import Stamp, stamp_of
from of3.runtime.lock import locked
from of3.runtime.logs import LogOptions, RunLogs, write_au_info
from of3.runtime.networks import LANDMARKS
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.runinfo import RunInfo
from of3.runtime.settings import Settings
from of3.runtime.types import Failure, Record, RunBroken, RunError

log = logging.getLogger(__name__)

FOLDER = "openface3"
LINE_EVERY_S = 30.0  # of progress, where stderr is no terminal


def run(options: Options) -> int:
    """The whole job; 0 when every picture has its row.

    Raises RunError (exit 2); RunBroken (no engine is left) and OSError (the logs cannot be written; exit 1).
    """
    if not Path(options.aligned).is_dir():
        raise RunError(f"--aligned {options.aligned}: no such folder")
    paths = find_images(options.aligned)
    if not paths:
        raise RunError(f"--aligned {options.aligned}: no .jpg, .jpeg, .png, .webp or .bmp below it")
    folder = options.logs / FOLDER
    if folder.is_symlink():
        raise RunError(f"{folder} is a link: nothing is written outside --logs, pass the folder it leads to")
    with locked(folder), Interruption() as interruption, _open_pipeline(options) as pipeline:
        try:
            _analyse(pipeline, options, paths, folder, interruption)
        except EngineFailed as error:
            raise RunBroken(f"the engine failed and none is left to go on: {error}") from error
        except WorkerDied as error:
            raise RunBroken(f"{error}: the rows so far are written, --resume on goes on from there") from error
    return 0


def _analyse(
    pipeline: Pipeline, options: Options, paths: Sequence[str], folder: Path, interruption: Interruption
) -> None:
    calibration = _calibration(pipeline, options, folder / "au_info.json")
    info = RunInfo(pipeline, options, len(paths))
    identity = info.identity(calibration.au_to_index)
    stamps: deque[Stamp] = deque()  # of the pictures at work

    def todo() -> Iterator[str]:
        for path in interruption.until(paths):
            stamp = stamp_of(path)
            if logs.is_done(path, stamp):
                info.skip()
            else:
                stamps.append(stamp)
                yield path

    with RunLogs(folder, options.aligned, _log_options(options), identity) as logs:
        write_au_info(folder, to_document(calibration, pipeline.bundle.labels.aus))
        info.write(folder)
        for result in progress(pipeline.run(todo(), calibration.au_to_index), len(paths), info.seen):
            logs.write(result, stamps.popleft())
            info.count(result)
        logs.finish()
    info.write(folder)
    log.info("%s", info.summary())
    interruption.check()
    info.finish(folder)


def _open_pipeline(options: Options) -> Pipeline:
    try:
        bundle = read_bundle(options.bundle)
        pipeline = Pipeline(bundle, _settings(options, bundle))
    except BundleError as error:
        raise RunError(f"{error}\nof3: make the bundle with: {export_command(options)}") from error
    except EngineUnavailable as error:
        raise RunError(str(error)) from error
    _report(pipeline, options)
    return pipeline


def export_command(options: Options) -> str:
    """The exact command that makes the bundle these options ask for."""
    words = ["of3", "export", "--of3_root", str(options.of3_root)]
    if options.weights != options.of3_root / "weights":
        words += ["--weights", str(options.weights)]
    if options.bundle != options.weights / "of3_bundle":
        words += ["--bundle", str(options.bundle)]
    return shlex.join(words + (["--force"] if options.bundle.exists() else []))


def _settings(options: Options, bundle: Bundle) -> Settings:
    has_landmarks = LANDMARKS in bundle.models
    if options.landmarks and not has_landmarks:
        log.warning("no landmarks: the bundle was made without Landmark_98.pkl or Landmark_68.pkl")
    return Settings(
        device=options.device,
        engine=options.engine,
        is_required=options.require,
        precision=_precision(options),
        tf32=options.tf32,
        gaze_order=options.gaze_order,
        detect=not options.skip_detect,
        landmarks=options.landmarks and has_landmarks,
        detector_resize=options.detector_resize,
        reject_damaged=options.reject_damaged,
        batch=options.batch,
        workers=options.workers,
        lanes=machine.cores(),
    )


def _precision(options: Options) -> str:
    return options.dtype if options.amp else "fp32"


def _log_options(options: Options) -> LogOptions:
    both = ("json", "pts")
    return LogOptions(
        override=options.override,
        resume=options.resume or options.retry_failed,
        retry_failed=options.retry_failed,
        th_smile=options.th_smile,
        th_mouth=options.th_mouth,
        per_image=options.per_image,
        extra_csv=options.extra_csv,
        emotion_topk=options.csv_emotion_topk,
        landmark_formats=both if options.landmarks_fmt == "both" else (options.landmarks_fmt,),
    )


def _report(pipeline: Pipeline, options: Options) -> None:
    """One line per model for what runs and why nothing better does; then what else the user should know."""
    for conflict in machine.conflicts():
        log.warning("%s", conflict)
    for model, engine in pipeline.networks.engines.items():
        lesser = "".join(f"; not {refusal.engine}: {refusal.reason}" for refusal in engine.refusals)
        _, why = precision_for(pipeline.bundle, model, _precision(options))
        noted = f" ({why})" if why and engine.kind != "cpu" else ""
        log.log(logging.WARNING if lesser else logging.INFO, "%s: %s%s%s", model, engine.name, noted, lesser)
    if all(engine.kind == "cpu" for engine in pipeline.networks.engines.values()):
        log.info("--amp, --dtype and --tf32 do not apply on the CPU: everything runs in fp32")
    _report_gaze(pipeline.bundle.labels, options.gaze_order)
    if pipeline.bundle.is_stand_in:
        log.warning("STAND-IN WEIGHTS: the numbers mean nothing about faces")


def _report_gaze(labels: Labels, asked: str) -> None:
    """One line where the order of the logs is not the one that was measured, or could not be."""
    measured = labels.gaze_measured
    if asked == "seed" and measured and measured != labels.gaze:
        log.warning(
            "the first gaze output is written as %s, but the mirror test of the export says it is %s: "
            "pass --gaze_order measured to write it so",
            labels.gaze[0],
            measured[0],
        )
    if asked == "measured" and not measured:
        log.warning(
            "--gaze_order measured: the export could not tell, the order stays %s", ", ".join(labels.gaze)
        )


def _calibration(pipeline: Pipeline, options: Options, cache: Path) -> Calibration:
    if options.no_calib:
        return documented(pipeline.bundle.labels.aus, "documented order: --no_calib on")
    pictures = options.of3_root / "images" / "au"
    used = cache if options.calib_cache else None
    found = calibrate(pipeline.bundle, pictures, used, options.calib_guard, pipeline.au_scores)
    if found.made_from is None or found.ambiguous:
        log.warning("AU order: %s", found.note)
    return found


def progress(
    results: Iterable[Record | Failure], total: int, seen: Callable[[], int]
) -> Iterator[Record | Failure]:
    """The results, with a bar on a terminal and a line now and then elsewhere.

    seen: pictures dealt with so far, with those that gave no result because they were done before.
    """
    start = last = time.monotonic()
    failed = 0
    is_terminal = sys.stderr.isatty()
    with tqdm(total=total, unit="img", disable=not is_terminal, file=sys.stderr) as bar:
        for result in results:
            failed += isinstance(result, Failure)
            yield result
            bar.set_postfix(failed=failed, refresh=False)
            bar.update(seen() - bar.n)
            now = time.monotonic()
            if not is_terminal and now - last >= LINE_EVERY_S:
                last = now
                log.info("%s, %d failed", tqdm.format_meter(seen(), total, now - start, unit="img"), failed)
