"""The records of a log folder -> report.html."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from of3.runtime.logs.columns import legible
from of3.runtime.logs.errors import told
from of3.runtime.logs.files import replace_text
from of3.runtime.logs.opening import is_folder, is_there, reading
from of3.runtime.logs.store import open_store
from of3.runtime.logs.video import FACTS
from of3.runtime.pages.html import html
from of3.runtime.pages.page import Caution, Page, Section
from of3.runtime.report.gathered import Gathered
from of3.runtime.report.made import made_parts
from of3.runtime.report.poses import poses_of
from of3.runtime.report.repeats import Alike
from of3.runtime.report.sections import counts_section, distributions_section, extremes_section, odd_section
from of3.runtime.report.thumbnails import Thumbnails
from of3.runtime.report.video_sections import MOST_ROWS, Columns, videos_section
from of3.runtime.report.videos import MOST_LINES, MOST_POINTS, VideoFound, gather_video, lines_for
from of3.runtime.runs import runinfo
from of3.runtime.runs.progress import counting_bar
from of3.runtime.runs.reading import document, held, log_folder, recorded_parts
from of3.runtime.runs.videos import SUFFIXES
from of3.runtime.tables.parts import Part
from of3.runtime.types import Failure, RunError

FILE = "report.html"
TITLE = "of3 report"
BEGINNING = 10_000  # bytes of a page that its title is among

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """out: None for `<logs>/openface3/report.html`."""

    logs: Path  # log root, or its `openface3`
    out: Path | None = None
    thumbnails: bool = True


def report(asked: Asked) -> Path:
    """Write the page; where it is.

    Raises RunError: no records, damaged, a run at work, an extra is missing, something else stands in the
    page's place; OSError.
    """
    folder = log_folder(asked.logs)
    place = asked.out or folder / FILE
    if not is_folder(place.parent):
        raise RunError(f"{place.parent}: not there, want a folder for {place.name}")
    # What is in the way is told at once, and not when all has been read.
    if is_there(place) and asked.out is not None and not _is_ours(place):
        raise RunError(f"{place}: is there and not of3's: move it away, or pass another --out")
    with held(folder) as how:
        parts = recorded_parts(folder, how)
        text = html(_page(asked, folder, parts, how))
    replace_text(place, text)
    log.info("written: %s, %.1f MB", place, len(text) / 1e6)
    return place


def _is_ours(place: Path) -> bool:
    """Whether a file that is there is a page of this command's, or is empty."""
    with reading(place) as file:
        beginning = file.read(BEGINNING)
    return not beginning or f"<title>{TITLE}</title>".encode() in beginning


def _page(asked: Asked, folder: Path, parts: Sequence[Part], how: str) -> Page:
    pictures = [part for part in parts if part.stem is None]
    videos = [part for part in parts if part.stem is not None]
    with counting_bar(sum(part.total for part in parts), "row") as shown:
        found = [_pictures(part, how, shown) for part in pictures]
        watched, of_videos = _videos(videos, how, shown)
    thumbnails = Thumbnails()
    if asked.thumbnails:
        spots = [spot for each, _ in found for spot in each.summary.spots()]
        spots += [*of_videos.summary.spots(), *(spot for video in watched for spot in video.spots)]
        thumbnails.read(spots)
        _say_lacking(thumbnails)
    sections, datasets = list(_unfinished(parts)), dict[str, Columns]()
    for each, alike in found:
        flags = document(folder / runinfo.FILE).get("flags")
        sections += _sections("Pictures", "pictures", each, flags, thumbnails, alike)
    if watched:
        section, datasets = videos_section(watched, _told_of_videos(folder), thumbnails.of)
        flags = watched[-1].facts.get("flags")
        ran, *others = _sections("Videos", "frames", of_videos, flags, thumbnails)
        sections += [ran, section, *others]
    return Page(TITLE, _subtitle(folder), sections, list(_footer(asked, thumbnails)), datasets)


def _pictures(part: Part, how: str, shown: Callable[[int], None]) -> tuple[Gathered, Alike]:
    """What was counted, and which faces have another's numbers."""
    gathered = Gathered(poses_of(part.total))
    with open_store(part.records, how) as store:
        gathered.add_pictures(store, shown)
        return gathered, gathered.alike(store)


def _videos(parts: Sequence[Part], how: str, shown: Callable[[int], None]) -> tuple[list[VideoFound], Gathered]:
    """Each, and what was counted of all.  The first have time lines, as many as the page has room for."""
    found, points = list(map(_video, parts)), 0
    gathered = Gathered(poses_of(sum(video.expected for video in found)))
    for number, (part, video) in enumerate(zip(parts, found, strict=True)):
        if points < MOST_POINTS and number < MOST_LINES:
            video.lines = lines_for(video, len(parts))
        with open_store(part.records, how) as store:
            gather_video(video, store, gathered, shown)
        if video.lines is not None:
            points += video.lines.size
    return found, gathered


def _video(part: Part) -> VideoFound:
    facts = document(part.records.with_suffix(FACTS))
    faces = facts.get("faces")
    expected = max(part.total, faces if isinstance(faces, int) else 0)
    return VideoFound(part.path or legible(part.stem or ""), facts, part.total, expected)


def _told_of_videos(folder: Path) -> list[Failure]:
    """In errors.tsv, which alone knows of videos that cannot be opened; none where it cannot be read."""
    with suppress(OSError, RunError):
        of_videos = (each for each in told(folder) if each.source.lower().endswith(SUFFIXES))
        return list(islice(of_videos, MOST_ROWS))
    return []


def _sections(
    title: str,
    what: str,
    gathered: Gathered,
    flags: Any,
    thumbnails: Thumbnails,
    alike: Alike | None = None,
) -> Iterator[Section]:
    """alike: None where nobody looked for faces with the same numbers: successive frames have them."""
    known = flags if isinstance(flags, dict) else {}
    yield Section(f"{title}: what ran", list(made_parts(gathered.documents, known)))
    yield counts_section(f"{title}: counts", what, gathered.summary, thumbnails.of)
    yield distributions_section(f"{title}: distributions", gathered.summary, gathered.poses)
    yield extremes_section(f"{title}: the most and the least", gathered.summary, thumbnails.of)
    yield odd_section(f"{title}: odd rows", gathered.summary, thumbnails.of, alike)


def _subtitle(folder: Path) -> str:
    made = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return f"{legible(str(folder.resolve()))}, as of {made}, by of3 {version('of3')}"


def _unfinished(parts: Sequence[Part]) -> Iterator[Section]:
    said = [_how_far(part) for part in parts if not part.is_finished]
    if said:
        text = f"Shown as far as there are rows: {'; '.join(said)}. The run's command with --resume on goes on."
        yield Section("Not finished", [Caution(text)])


def _how_far(part: Part) -> str:
    if part.stem is None:
        return f"{part.total:,} pictures" + f", of {part.given:,} that the run was given" * bool(part.given)
    return f"{part.total:,} frames of {legible(part.path or part.stem)}"


def _say_lacking(thumbnails: Thumbnails) -> None:
    """What is not shown though it was to be."""
    where = f"not there, seen from {Path.cwd()} (make the page from where the run was started)"
    said = [f"{thumbnails.missing} {where}"] * bool(thumbnails.missing)
    said += [f"{thumbnails.changed} changed since they were analysed"] * bool(thumbnails.changed)
    if said:
        log.warning("pictures and videos without thumbnails: %s", ", ".join(said))


def _footer(asked: Asked, thumbnails: Thumbnails) -> Iterator[str]:
    if thumbnails:
        yield (
            "This page holds pictures of faces, which are personal data: share it as you would share them. "
            "--thumbnails off makes one without."
        )
    elif asked.thumbnails:
        yield (
            "Names of files are in this page, pictures are not: there was none to show, or they were not there "
            "as they were analysed."
        )
    else:
        yield "Made with --thumbnails off: names of files are in this page, pictures are not."
    yield "Made from the records of the run alone; nothing in this page asks another host for anything."
