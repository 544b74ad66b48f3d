"""Pictures and videos of a log folder drawn anew with what its records know: no network is run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from of3.engines.host import cores
from of3.engines.workers import Workers
from of3.runtime.logs.files import replace_text
from of3.runtime.logs.opening import is_folder, is_there, make_place, remove
from of3.runtime.logs.pictures import KnownPicture, pictures_of
from of3.runtime.logs.rows import ERRORS
from of3.runtime.logs.store import FILE, Store, open_store
from of3.runtime.logs.video import recorded_stems
from of3.runtime.runs.draw_video import draw_video
from of3.runtime.runs.drawn import NO_ARROWS, drawing_of
from of3.runtime.runs.picture_overlay import FOLDER as OVERLAY
from of3.runtime.runs.picture_overlay import PictureOverlay
from of3.runtime.runs.progress import counting_bar
from of3.runtime.runs.reading import folder_of, held
from of3.runtime.settings import Faces
from of3.runtime.stream import ordered_map
from of3.runtime.types import Failure, PictureError, RunError

TOLD_ONE_BY_ONE = 5  # failures

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """out: None for `overlay` in the logs.  sample: pictures, 0 for all; videos are drawn whole."""

    logs: Path
    out: Path | None
    sample: int
    faces: Faces


@dataclass(slots=True)
class Tally:
    """Grows with everything that is drawn, or cannot be."""

    pictures: int = 0
    of_pictures: int = 0  # in the logs
    videos: int = 0
    frames: int = 0
    has_arrows: bool = True  # everywhere
    failed: list[Failure] = field(default_factory=list)

    def picture(self, failure: Failure | None) -> None:
        if failure is None:
            self.pictures += 1
        else:
            self.fail(failure)

    def fail(self, failure: Failure) -> None:
        self.failed.append(failure)
        if len(self.failed) <= TOLD_ONE_BY_ONE:
            log.warning("%s: not drawn: %s", failure.source, failure.reason)


def draw(options: DrawOptions) -> None:
    """Raises RunError: no records, damaged, a run at work; OSError: the drawings cannot be written."""
    folder = _folder(options.logs)
    out = folder / OVERLAY if options.out is None else options.out.resolve()
    tally = Tally()
    with held(folder) as how:
        make_place(out)
        if is_there(folder / FILE):
            with open_store(folder / FILE, how) as store:
                _draw_pictures(store, out, options, tally)
        _draw_videos(folder, out, options, how, tally)
    _tell(out, tally)


def _folder(logs: Path) -> Path:
    """Where the records are: in a log root, or its `openface3`."""
    folder = folder_of(logs)
    if is_folder(folder) and (is_there(folder / FILE) or any(recorded_stems(folder))):
        return folder
    raise RunError(
        f"{logs}: got no {FILE} and no videos' records, want a log root of a run: see of3 draw --help"
    )


def _draw_pictures(store: Store, out: Path, options: DrawOptions, tally: Tally) -> None:
    """Those of the sample, of every run that is there."""
    totals = {number: store.counts(number).total for number in store.runs()}
    tally.of_pictures = sum(totals.values())
    chosen, before = evenly(tally.of_pictures, options.sample), 0
    with counting_bar(min(options.sample, tally.of_pictures) or tally.of_pictures) as shown:
        for number, total in totals.items():
            known, before = pictures_of(store, number, chosen, before), before + total
            drawing = drawing_of(store.run(number), store.sessions(), options.faces)
            tally.has_arrows &= drawing.gaze is not None
            with PictureOverlay(out, store.run(number).root, drawing) as overlay:
                for failure in _drawn(overlay, known):
                    tally.picture(failure)
                    shown()


def evenly(total: int, sample: int) -> Callable[[int], bool]:
    """Whether a picture is among `sample` of `total`, spread evenly; 0: all are."""
    if not sample or sample >= total:
        return lambda _: True
    return lambda number: (number * sample) // total != ((number - 1) * sample) // total


def _drawn(overlay: PictureOverlay, known: Iterator[KnownPicture]) -> Iterator[Failure | None]:
    """What became of each, in order; all cores draw."""
    count = cores()
    with closing(Workers(count, "of3-draw")) as workers:
        yield from ordered_map(workers, overlay.draw, known, count + 1)


def _draw_videos(folder: Path, out: Path, options: DrawOptions, how: str, tally: Tally) -> None:
    for stem in recorded_stems(folder):
        try:
            drawn = draw_video(folder, stem, out, options.faces, how)
            tally.frames += drawn.frames
            tally.has_arrows &= drawn.has_arrows
            tally.videos += 1
        except PictureError as error:
            tally.fail(Failure(stem, "draw", str(error)))


def _tell(out: Path, tally: Tally) -> None:
    """What was drawn in a line, and what was not in a file beside it."""
    parts = []
    if tally.of_pictures:
        more = (
            " (--sample all draws every one)" if tally.pictures + len(tally.failed) < tally.of_pictures else ""
        )
        parts.append(f"{tally.pictures} of {tally.of_pictures} pictures{more}")
    if tally.videos or not tally.of_pictures:
        parts.append(f"{tally.videos} video{'s' * (tally.videos != 1)} of {tally.frames} frames")
    place = out / ERRORS.file
    if tally.failed:
        rows = [[failure.source, failure.stage, failure.reason] for failure in tally.failed]
        text = ERRORS.text([ERRORS.columns, *rows]).decode("utf-8", "surrogateescape")
        replace_text(place, text)
        parts.append(f"{len(tally.failed)} could not be drawn ({place.name} says why)")
    else:
        remove(place)
    log.info("%s: %s", out, ", ".join(parts))
    if not tally.has_arrows:
        log.info(NO_ARROWS)
