"""Pictures with what is known of them -> drawings, a JPEG each below a folder."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from of3.runtime.boundary import or_failure
from of3.runtime.budget import Budget, cost_bytes, default_bytes
from of3.runtime.logs.entries import Entries
from of3.runtime.logs.inside import Inside
from of3.runtime.logs.items import NO_FILE, Item, beginning_of, stamp_of
from of3.runtime.logs.names import stem_at
from of3.runtime.logs.pictures import KnownPicture, known_of
from of3.runtime.logs.rows import Result
from of3.runtime.runs.drawn import Drawing, as_jpeg, draw_picture
from of3.runtime.types import Failure, PictureError, Source
from of3.runtime.vision.images import decoded, encoded

FOLDER = "overlay"
SUFFIX = ".jpg"
Entered = Callable[[Sequence[tuple[Item, Result]]], Entries]

log = logging.getLogger(__name__)


class PictureOverlay:
    """Use as a context manager; from any number of threads."""

    def __init__(self, folder: Path, root: str, drawing: Drawing, temporary: Path | None = None):
        """folder: in one that is there; made with the first drawing.  root: of the pictures, as of a Run.

        temporary: where files are written first, where several processes are at work.
        """
        self._inside, self._beginning = Inside(folder, temporary), beginning_of(root)
        self._drawing, self._budget = drawing, Budget(default_bytes(0))
        self._writing = threading.Lock()
        self._or_failure = or_failure("draw", self._content)

    def draw(self, known: KnownPicture) -> Failure | None:
        """A Failure: the picture is not there any more, another than it was, or cannot be drawn.

        Raises OSError, RunError as `Inside.write_bytes` does.
        """
        _, content = self._or_failure((None, known))
        if isinstance(content, Failure):
            return content
        with self._writing:
            self._inside.write_bytes(self._name(known), content)
        return None

    def _content(self, known: KnownPicture) -> bytes:
        path = known.item.path
        if known.item.stamp not in (NO_FILE, stamp_of(path)):
            raise PictureError(_what_became_of(path))
        picture = encoded(Source(path, path))
        with self._budget.taken(cost_bytes(picture.pixels, 0, True)):
            pixels = decoded(picture, max_pixels=self._drawing.max_pixels).pixels.copy()
            if known.size_px not in (None, pixels.shape[1::-1]):
                raise PictureError(f"got {pixels.shape[1::-1]} pixels, want {known.size_px}: another picture")
            draw_picture(pixels, known, self._drawing)
            return as_jpeg(pixels)

    def draw_found(self, item: Item, result: Result) -> None:
        """What has just been found.  A picture that cannot be drawn is told of; raises as `draw` otherwise."""
        known = known_of(item, result)
        if known.failure is not None and known.failure.stage == "read":
            return
        if (failure := self.draw(known)) is not None:
            log.warning("%s: not drawn: %s", failure.source, failure.reason)

    def _name(self, known: KnownPicture) -> str:
        """As the picture's per-image files are called, which no other picture's are."""
        relative = known.item.path.removeprefix(self._beginning)
        return stem_at(relative, known.item.stem_index) + SUFFIX

    def __enter__(self) -> "PictureOverlay":
        return self

    def __exit__(self, *_: object) -> None:
        self._inside.close()


def _what_became_of(path: str) -> str:
    """Of a picture that is not the one that was analysed."""
    if stamp_of(path) != NO_FILE:
        return "changed since it was analysed"
    hint = "" if os.path.isabs(path) else f", seen from {os.getcwd()}: draw from where the run was started"
    return f"not there any more{hint}"


@contextmanager
def drawn_before(
    entered: Entered, folder: Path, root: str, drawing: Drawing, temporary: Path | None = None
) -> Iterator[Entered]:
    """`entered`, before which each of the results is drawn.  folder: `<logs>/openface3`; the rest as above."""
    with PictureOverlay(folder / FOLDER, root, drawing, temporary) as overlay:

        def drawn(results: Sequence[tuple[Item, Result]]) -> Entries:
            for item, result in results:
                overlay.draw_found(item, result)
            return entered(results)

        yield drawn
