"""The pictures below a folder, by their suffixes, and what was passed over in looking for them."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from of3.runtime.logs.items import beginning_of, key_of
from of3.runtime.patience import SCARCE, UNREACHABLE, lost, patiently

log = logging.getLogger(__name__)

# Folders and files that systems and programs leave beside pictures: thumbnails, versions, what was thrown away.
DEBRIS_FOLDERS = frozenset(
    {
        *(".ipynb_checkpoints", "@eaDir", ".@__thumb", "#recycle", "__MACOSX", ".AppleDouble", ".thumbnails"),
        *("$RECYCLE.BIN", "System Volume Information", ".Spotlight-V100", ".fseventsd", ".git"),
    }
)
DEBRIS_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store"})  # in any case
TRASH, APPLE_DOUBLE = ".Trash", "._"  # .Trash-1000, .Trashes; what macOS keeps of x.jpg on a share: ._x.jpg

MACHINES = SCARCE | UNREACHABLE  # faults: what is in such a folder must not be missing from the tables
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
NAMED = 8  # suffixes that are told, the most frequent
KEPT = 1000  # suffixes that are counted each: names made at random have no end of them
NO_SUFFIX, OTHER = "without a suffix", "of other suffixes"


class Walk:
    """Iterable once; what was passed over is known afterwards."""

    def __init__(self, root: str, suffixes: tuple[str, ...], follow_links: bool = False):
        """suffixes: in lower case, with their dots.  follow_links: search folders that links lead to."""
        self.root, self._suffixes, self._follows = root, suffixes, follow_links
        self.others: Counter[str] = Counter()  # files not looked at, by suffix
        self.links = 0  # to folders, not followed

    def __iter__(self) -> Iterator[str]:
        """Paths, in no order, as `pathlib` writes them; names that are not UTF-8 come surrogate-escaped.

        A folder that several links lead to is searched once: by its own path where that is below the root, else
        by the first of the links, so that the paths depend on nothing but what is there.  A folder that may not
        be searched is told; raises InputLost where the machine cannot.
        """
        known: set[tuple[int, int]] = set()
        folders = [str(Path(self.root))]
        while folders:
            links: list[str] = []
            for folder in folders:
                yield from self._below(folder, known, links)
            folders = sorted(links, key=key_of) if self._follows else []
            self.links += 0 if self._follows else len(links)

    def _below(self, top: str, known: set[tuple[int, int]], links: list[str]) -> Iterator[str]:
        """The pictures below a folder.  known: folders that were searched.  links: gets those to folders."""
        folders = [top]
        while folders:
            folder = folders.pop()
            beginning = beginning_of(folder)
            try:
                if self._follows and _is_known(folder, known):
                    continue
                with patiently(partial(os.scandir, folder), MACHINES) as entries:
                    for entry in entries:
                        if not _is_folder(entry):
                            if self._is_picture(entry.name):
                                yield beginning + entry.name
                        elif not _is_debris(entry.name):
                            (links if entry.is_symlink() else folders).append(beginning + entry.name)
            except OSError as error:
                if error.errno in MACHINES:  # in the midst of it
                    raise lost(error) from error
                log.warning("%s is not searched: %s", error.filename or folder, error.strerror)

    def _is_picture(self, name: str) -> bool:
        """Whether a file is to be looked at; counts those that are not, but for debris."""
        lower = name.lower()
        if lower.startswith(APPLE_DOUBLE) or lower in DEBRIS_FILES:
            return False
        if lower.endswith(self._suffixes):
            return True
        shown = suffix_of(name)
        self.others[shown if shown in self.others or len(self.others) < KEPT else OTHER] += 1
        return False

    def passed_over(self) -> Iterator[str]:
        """A line each for files not looked at and for links not followed, where there were any."""
        if self.others:
            yield f"not looked at: {counted(self.others)}; --suffixes names what is"
        if self.links:
            yield f"not searched: {self.links} linked folder{'s' * (self.links > 1)}; --follow_links on does"


def counted(others: Counter[str]) -> str:
    """ "3 .heic, 2 without a suffix, 9 others"."""
    named = sorted(others.items(), key=lambda each: (-each[1], each[0]))[:NAMED]
    rest = others.total() - sum(count for _, count in named)
    return ", ".join([*(f"{count} {suffix}" for suffix, count in named), *([f"{rest} others"] if rest else [])])


def suffix_of(name: str) -> str:
    """A file's suffix as it is counted: what a web address had after it is left out."""
    suffix = os.path.splitext(name)[1].lower()
    bare, query, _ = suffix.partition("?")
    if SUFFIX.fullmatch(bare):
        return bare + query
    return OTHER if suffix else NO_SUFFIX


def _is_debris(folder: str) -> bool:
    return folder in DEBRIS_FOLDERS or folder.startswith(TRASH)


def _is_known(folder: str, known: set[tuple[int, int]]) -> bool:
    """Whether a folder was searched by whatever path; from now on it was."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in known:
        return True
    known.add(identity)
    return False


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False
