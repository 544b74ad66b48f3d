"""One run of the command line: open, calibrate, analyse, log, sum up."""

import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from of3.engines.base import EngineUnavailable
from of3.engines.bundle import Bundle, BundleError, read_bundle
from of3.runtime.calibrate import Calibration, calibrate, documented, to_document
from of3.runtime.images import find_images
from of3.runtime.logs import LogOptions, RunLogs, write_au_info
from of3.runtime.options import Options
from of3.runtime.pipeline import LANDMARKS, Pipeline, Settings
from of3.runtime.types import Failure, Record, RunError

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0  # of progress, where stderr is no terminal


def run(options: Options) -> int:
    """The whole job; 0 when every picture has its row.

    Raises RunError (exit 2) and OSError (exit 1: the logs cannot be written).
    """
    if not Path(options.aligned).is_dir():
        raise RunError(f"--aligned {options.aligned}: no such folder")
    paths = find_images(options.aligned)
    if not paths:
        raise RunError(f"--aligned {options.aligned}: no .jpg, .jpeg, .png, .webp or .bmp below it")
    folder = options.logs / "openface3"
    with _open_pipeline(options) as pipeline:
        with RunLogs(folder, options.aligned, paths, _log_options(options)) as logs:
            calibration = _calibration(pipeline, options, folder / "au_info.json")
            write_au_info(folder, to_document(calibration, pipeline.bundle.labels.aus))
            start, tally = time.monotonic(), Counter[str]()
            for result in progress(pipeline.run(paths, calibration.au_to_index), len(paths)):
                logs.write(result)
                tally[_outcome(result)] += 1
        _summary(tally, time.monotonic() - start, pipeline)
    return 0


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
        precision=options.dtype if options.amp else "fp32",
        detect=not options.skip_detect,
        landmarks=options.landmarks and has_landmarks,
        detector_resize=options.detector_resize,
        batch=options.batch,
        workers=options.workers,
    )


def _log_options(options: Options) -> LogOptions:
    both = ("json", "pts")
    return LogOptions(
        override=options.override,
        th_smile=options.th_smile,
        th_mouth=options.th_mouth,
        per_image=options.per_image,
        extra_csv=options.extra_csv,
        emotion_topk=options.csv_emotion_topk,
        landmark_formats=both if options.landmarks_fmt == "both" else (options.landmarks_fmt,),
    )


def _report(pipeline: Pipeline, options: Options) -> None:
    """One line for what runs, one for what would have been preferred, one for stand-ins."""
    names = _engine_names(pipeline)
    log.info("%s on %s", ", ".join(pipeline.engines), ", ".join(names))
    refusals = {refusal for opened in pipeline.engines.values() for refusal in opened.refusals}
    for refusal in sorted(refusals, key=lambda refusal: refusal.engine):
        log.warning("%s does not run, %s instead: %s", refusal.engine, ", ".join(names), refusal.reason)
    if all("CPU" in name for name in names):
        log.info("--amp, --dtype and --tf32 do not apply on the CPU: everything runs in fp32")
    if pipeline.bundle.is_stand_in:
        log.warning("STAND-IN WEIGHTS: the numbers mean nothing about faces")


def _engine_names(pipeline: Pipeline) -> list[str]:
    """Every engine in use, once."""
    return sorted({opened.engine.name for opened in pipeline.engines.values()})


def _calibration(pipeline: Pipeline, options: Options, cache: Path) -> Calibration:
    if options.no_calib:
        return documented(pipeline.bundle.labels.aus, "documented order: --no_calib on")
    pictures = options.of3_root / "images" / "au"
    used = cache if options.calib_cache else None
    found = calibrate(pipeline.bundle, pictures, used, options.calib_guard, pipeline.au_scores)
    if found.made_from is None or found.ambiguous:
        log.warning("AU order: %s", found.note)
    return found


def progress(results: Iterable[Record | Failure], total: int) -> Iterator[Record | Failure]:
    """The results, with a bar on a terminal and a line now and then elsewhere."""
    start = last = time.monotonic()
    failed = 0
    is_terminal = sys.stderr.isatty()
    with tqdm(total=total, unit="img", disable=not is_terminal, file=sys.stderr) as bar:
        for number, result in enumerate(results, 1):
            failed += isinstance(result, Failure)
            yield result
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
            now = time.monotonic()
            if not is_terminal and now - last >= LINE_EVERY_S:
                last = now
                log.info("%s, %d failed", tqdm.format_meter(number, total, now - start, unit="img"), failed)


def _outcome(result: Record | Failure) -> str:
    return result.reason.split(":")[0] if isinstance(result, Failure) else "done"


def _summary(tally: Counter[str], elapsed_s: float, pipeline: Pipeline) -> None:
    total = tally.total()
    done = tally.pop("done", 0)
    reasons = ", ".join(f"{reason} {number}" for reason, number in tally.most_common())
    log.info(
        "done %d, failed %d%s, %.1f images/s, %s",
        done,
        tally.total(),
        f" ({reasons})" if reasons else "",
        total / max(elapsed_s, 1e-9),
        ", ".join(_engine_names(pipeline)),
    )
