"""What a run says of itself, before its first picture and after its last; the whole is in run.json."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from of3.engines import machine
from of3.engines.bundle import Bundle
from of3.engines.fallback import Fallback
from of3.engines.open import note_on
from of3.runtime.logs.counts import Counts
from of3.runtime.networks import LANDMARKS
from of3.runtime.opened import Message, opened
from of3.runtime.options import Options
from of3.runtime.pipeline import Pipeline
from of3.runtime.remarks import IMPLAUSIBLE, LARGE, LARGE_PX, TILTED
from of3.runtime.runs.flags import precision_of
from of3.runtime.settings import Faces

MOST_OF_A_SUMMARY = 75  # characters, after "of3: "


def before(pipeline: Pipeline, options: Options) -> list[Message]:
    """What runs and why nothing better does, with which weights; then what else the user should know."""
    return [
        *((logging.WARNING, conflict) for conflict in machine.conflicts()),
        *opened(pipeline.bundle, pipeline.networks.engines, partial(_notes, pipeline.bundle, options=options)),
        *_on_flags(pipeline.bundle, options),
    ]


def _notes(bundle: Bundle, model: str, engine: Fallback, options: Options) -> Iterator[str]:
    """What is to be known of an engine that runs, besides why no better one does."""
    asked = precision_of(options)
    if engine.kind.note:
        yield engine.kind.note
    if options.device == "cpu" and asked == "fp16" and engine.kind.device == "cpu":
        yield "no engine of the CPU runs fp16"
    elif measured := note_on(bundle, model, engine.kind, engine.precision, asked):
        yield measured


def _on_flags(bundle: Bundle, options: Options) -> Iterator[Message]:
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


def after(
    counts: Counts, skipped: int, elapsed_s: float, folder: Path, is_cropped: bool, faces: Faces
) -> Iterator[Message]:
    """How it went, what is doubtful, and where the logs are.  is_cropped: no face was looked for."""
    yield logging.INFO, summary(counts, skipped, elapsed_s)
    if counts.total and not counts.done:
        yield logging.WARNING, f"no picture succeeded; the first: {counts.first_failed}"
    yield from _doubts(counts, is_cropped, faces)
    told = counts.failed.total() + counts.damaged + counts.remarked[TILTED]
    yield logging.INFO, f"logs: {folder}" + (", what failed and why in errors.tsv" if told else "")


def summary(counts: Counts, skipped: int, elapsed_s: float) -> str:
    """A run in one line of a terminal."""
    damaged = f" ({counts.damaged} damaged)" if counts.damaged else ""
    skips = f", skipped {skipped}" if skipped else ""
    rate = f", {counts.total / max(elapsed_s, 1e-9):.1f} images/s"
    line = f"done {counts.done}{damaged}{skips}, failed {counts.failed.total()}"
    reasons = [f"{reason} {count}" for reason, count in counts.failed.most_common()]
    for shown in range(len(reasons), 0, -1):
        said = ", ".join(reasons[:shown]) + ", …" * (shown < len(reasons))
        if len(f"{line} ({said}){rate}") <= MOST_OF_A_SUMMARY:
            return f"{line} ({said}){rate}"
    return line + rate


def _rule(is_cropped: bool, faces: Faces) -> str:
    """Of pictures with several faces: which have their rows where."""
    if is_cropped:
        return "the whole picture is taken for one"
    best = "openface3.csv has the best-scoring one"
    if faces == "best":
        return f"{best} (--faces all: every one)"
    return f"{best}, openface3_faces.csv {'every one' if faces == 'all' else f'the {faces} best'}"


def _doubts(counts: Counts, is_cropped: bool, faces: Faces) -> Iterator[Message]:
    large, tilted, implausible = (counts.remarked[word] for word in (LARGE, TILTED, IMPLAUSIBLE))
    if counts.several_faces:
        yield (
            logging.INFO,
            f"{_pictures(counts.several_faces)} of more than one face: {_rule(is_cropped, faces)}",
        )
    if large:
        yield (
            logging.WARNING,
            f"{_pictures(large)} with a face beyond {LARGE_PX:.0f} px, where boxes go wrong whatever their "
            "confidence: pass --detector_resize auto",
        )
    if tilted:
        yield (
            logging.WARNING,
            f"{_pictures(tilted)} with a face on its side or upside down (errors.tsv): turn them upright",
        )
    if implausible:
        remedy = "pass --skip_detect off unless they are face crops" if is_cropped else "are those faces?"
        yield logging.WARNING, f"{_pictures(implausible)} with numbers that no face has: {remedy}"


def _pictures(count: int) -> str:
    return f"{count} picture{'s' * (count != 1)}"
