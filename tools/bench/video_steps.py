"""A contestant of `python -m tools.bench.videos`: python -m tools.bench.video_steps NAME CASE ROOT FOLDER."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from of3.engines.manifest import read_bundle
from of3.runtime.commands.video import parse as parsed
from of3.runtime.logs.errors import Errors
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.session import Session
from of3.runtime.runs.video_job import job_of
from of3.runtime.runs.videos import VideoFile
from of3.runtime.runs.watch import seen
from of3.runtime.settings import Settings
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.video import Video
from tools.bench.timing import Step, serve

CLIP = "clip.mp4"
FLAGS = {"detect": ("--landmarks", "off"), "landmarks": ("--landmarks", "on")}  # by what is done to a face
PROJECT, DECODED, DECODING = "of3 video", "frames decoded before", "decoding as it goes"


def flags_of(case: str, logs: Path | str, root: Path) -> list[str]:
    where = ("--logs", str(logs), "--of3_root", str(root))
    return [*where, "--device", "cpu", "--no_calib", "on", *FLAGS[case]]


def project(case: str, root: Path, folder: Path) -> Step:
    """A clip in, all its logs out, by an open pipeline."""
    clip = str(folder / CLIP)
    session = Session(replace(parsed([clip, *flags_of(case, folder, root)]).run, aligned=str(folder)))

    def step() -> None:
        with tempfile.TemporaryDirectory() as place:
            options = parsed([clip, *flags_of(case, place, root)])
            job = job_of(options, Path(place), session, Errors(Path(place)), Interruption(), None)
            job.analyse(VideoFile(clip, "clip"))

    return step


def decoded_before(case: str, root: Path, folder: Path) -> Step:
    """The networks' part and what is around it, of frames whose pixels are there."""
    pipeline = opened(case, root)
    with Video(str(folder / CLIP)) as video:
        frames = [_ready(frame) for frame in video.frames()]
    return lambda: [None for _ in seen(pipeline, frames)]


def decoding_too(case: str, root: Path, folder: Path) -> Step:
    """The same, decoding as it goes."""
    pipeline = opened(case, root)

    def step() -> None:
        with Video(str(folder / CLIP)) as video:
            for _ in seen(pipeline, video.frames()):
                pass

    return step


def opened(case: str, root: Path) -> Pipeline:
    settings = Settings(detect=True, landmarks=case == "landmarks", detector_resize="auto")
    return Pipeline(read_bundle(root / "weights" / "of3_bundle"), settings)


def _ready(frame: Frame) -> Frame:
    pixels = frame.pixels()
    return Frame(frame.number, frame.time_s, frame.time_source, lambda: pixels)


CONTESTANTS: dict[str, Callable[[str, Path, Path], Step]] = {
    PROJECT: project,
    DECODED: decoded_before,
    DECODING: decoding_too,
}


if __name__ == "__main__":
    name, case, *folders = sys.argv[1:]
    serve(CONTESTANTS[name](case, *map(Path, folders)))
