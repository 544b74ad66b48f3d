"""`of3`, `of3 run` and the drop-in script.  Nothing heavy is imported before the flags are read."""

import importlib.metadata
import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from of3.runtime.options import CommandLine, Options, parse, parser
from of3.runtime.types import Failure, Record, RunError

if TYPE_CHECKING:
    from of3.engines.bundle import Bundle
    from of3.runtime.calibrate import Calibration
    from of3.runtime.logs import LogOptions
    from of3.runtime.pipeline import Pipeline, Settings

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0  # of progress, where stderr is no terminal


def main(argv: Sequence[str] | None = None) -> int:
    """`of3 COMMAND ...`: the commands are the entry points of the group `of3.commands`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {point.name: point for point in importlib.metadata.entry_points(group="of3.commands")}
    if arguments and arguments[0] in commands:
        status: int = commands[arguments[0]].load()(arguments[1:])
        return status
    is_help = not arguments or arguments[0] in ("-h", "--h", "--help")
    known = "\n".join(f"  of3 {name} --help" for name in sorted(commands))
    print(f"of3 {importlib.metadata.version('of3')}: OpenFace 3.0 without PyTorch\n\nusage:\n{known}")
    if not is_help:
        print(f"of3: got command {arguments[0]!r}, want one of {', '.join(sorted(commands))}", file=sys.stderr)
    return 0 if is_help else 2


def run_command(argv: Sequence[str]) -> int:
    """`of3 run`: the help text is written beside the logs."""
    command = parse(argv, "of3 run")
    logs = command.namespace.logs
    return _start(command, "of3 run", Path(logs) / "openface3" / "openface3.txt" if logs else None)


def script_main(script: Path, argv: Sequence[str]) -> int:
    """The drop-in: as `of3 run`, with the help text written beside the script."""
    return _start(parse(argv, script.name), script.name, script.with_suffix(".txt"))


def _start(command: CommandLine, prog: str, help_file: Path | None) -> int:
    """Command line -> exit status."""
    logging.basicConfig(format="of3: %(message)s", stream=sys.stderr)
    logging.getLogger("of3").setLevel(logging.INFO)
    text = parser(prog).format_help()
    if command.write_help and help_file is not None:
        _write_help(help_file, text)
    if command.print_help or command.missing:
        print(text)
    if command.missing:
        log.warning("nothing to do: missing %s", ", ".join(command.missing))
        return 0
    try:
        return run(command.options())
    except RunError as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("cannot go on: %s", error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; the rows so far are written")
        return 130


def _write_help(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        log.warning("help text not written: %s", error)


def run(options: Options) -> int:
    """The whole job; 0 when every picture has its row.

    Raises RunError (exit 2) and OSError (exit 1: the logs cannot be written).
    """
    from of3.runtime.images import find_images
    from of3.runtime.logs import RunLogs, write_au_info

    if not Path(options.aligned).is_dir():
        raise RunError(f"--aligned {options.aligned}: no such folder")
    paths = find_images(options.aligned)
    if not paths:
        raise RunError(f"--aligned {options.aligned}: no .jpg, .jpeg, .png, .webp or .bmp below it")
    folder = options.logs / "openface3"
    with _open_pipeline(options) as pipeline:
        with RunLogs(folder, options.aligned, paths, _log_options(options)) as logs:
            calibration = _calibration(pipeline, options, folder / "au_info.json")
            write_au_info(folder, _au_document(calibration, pipeline))
            start, tally = time.monotonic(), Counter[str]()
            for result in progress(pipeline.run(paths, calibration.au_to_index), len(paths)):
                logs.write(result)
                tally[_outcome(result)] += 1
        _summary(tally, time.monotonic() - start, pipeline)
    return 0


def _open_pipeline(options: Options) -> "Pipeline":
    from of3.engines.base import EngineUnavailable
    from of3.engines.bundle import BundleError, read_bundle
    from of3.runtime.pipeline import Pipeline

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


def _settings(options: Options, bundle: "Bundle") -> "Settings":
    from of3.runtime.pipeline import LANDMARKS, Settings

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


def _log_options(options: Options) -> "LogOptions":
    from of3.runtime.logs import LogOptions

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


def _report(pipeline: "Pipeline", options: Options) -> None:
    """One line for what runs, one for what would have been preferred, one for stand-ins."""
    names = {opened.engine.name for opened in pipeline.engines.values()}
    log.info("%s on %s", ", ".join(pipeline.engines), ", ".join(sorted(names)))
    refusals = {refusal for opened in pipeline.engines.values() for refusal in opened.refusals}
    for refusal in sorted(refusals, key=lambda refusal: refusal.engine):
        log.warning("%s does not run, %s instead: %s", refusal.engine, ", ".join(sorted(names)), refusal.reason)
    if all("CPU" in name for name in names):
        log.info("--amp, --dtype and --tf32 do not apply on the CPU: everything runs in fp32")
    if pipeline.bundle.is_stand_in:
        log.warning("STAND-IN WEIGHTS: the numbers mean nothing about faces")


def _calibration(pipeline: "Pipeline", options: Options, cache: Path) -> "Calibration":
    from of3.runtime.calibrate import calibrate, documented

    if options.no_calib:
        return documented(pipeline.bundle.labels.aus, "documented order: --no_calib on")
    pictures = options.of3_root / "images" / "au"
    used = cache if options.calib_cache else None
    found = calibrate(pipeline.bundle, pictures, used, options.calib_guard, pipeline.au_scores)
    if found.made_from is None or found.ambiguous:
        log.warning("AU order: %s", found.note)
    return found


def _au_document(calibration: "Calibration", pipeline: "Pipeline") -> dict[str, object]:
    from of3.runtime.calibrate import to_document

    return to_document(calibration, pipeline.bundle.labels.aus)


def progress(results: Iterable[Record | Failure], total: int) -> Iterator[Record | Failure]:
    """The results, with a bar on a terminal and a line now and then elsewhere."""
    from tqdm import tqdm

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


def _summary(tally: Counter[str], elapsed_s: float, pipeline: "Pipeline") -> None:
    total = tally.total()
    done = tally.pop("done", 0)
    reasons = ", ".join(f"{reason} {number}" for reason, number in tally.most_common())
    names = sorted({opened.engine.name for opened in pipeline.engines.values()})
    log.info(
        "done %d, failed %d%s, %.1f images/s, %s",
        done,
        tally.total(),
        f" ({reasons})" if reasons else "",
        total / max(elapsed_s, 1e-9),
        ", ".join(names),
    )
