"""Something else in the place of each file and folder of a log folder."""

import os
import random
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

from of3.runtime.logs.folder import FOLDER
from tools.fuzz.scratch import (
    COMMANDS,
    OUTSIDE,
    STATES,
    Scratch,
    in_child,
    make_outside,
    tree,
    wrong_with,
)

Trial = tuple[str, str, str, str]  # state, command, name, kind


def plant(kind: str, place: Path, outside: Path) -> bool:
    """Put something else there; whether this machine lets us."""
    if kind in ("pipe", "device", "socket"):
        modes = {"pipe": stat.S_IFIFO, "device": stat.S_IFCHR, "socket": stat.S_IFSOCK}
        try:
            os.mknod(place, modes[kind] | 0o666, os.makedev(1, 3))
        except PermissionError:
            return False
    elif kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("none")
    elif kind == "hard link":
        os.link(outside / "victim", place)
    else:
        target = {"link to a file": "victim", "link to a folder": "folder", "dangling link": "none"}[kind]
        place.symlink_to(outside / target)
    return True


OF_FILES = (
    "pipe",
    "socket",
    "device",
    "folder",
    "hard link",
    "link to a file",
    "link to a folder",
    "dangling link",
)
OF_FOLDERS = ("pipe", "socket", "file", "link to a file", "link to a folder", "dangling link")


def places(scratch: Scratch) -> Iterator[tuple[str, str]]:
    """Every name that anything in a log folder has, and what may be planted there."""
    found: dict[str, bool] = {".": True, "plan.old": True, "plan.writing": True, "plan/writing": True}
    for state in STATES:
        top = scratch.folder / state / FOLDER
        found |= {str(path.relative_to(top)): path.is_dir() for path in top.rglob("*")}
    for name in [name for name, is_folder in found.items() if not is_folder and "/" not in name]:
        found |= dict.fromkeys((f".{name}.tmp", f".{name}.new"), False)
    more = (
        "records.sqlite-journal",
        ".records.sqlite.tmp-journal",
        "run.owner",
        ".run.owner.tmp",
        "journal.tsv",
        "per_image/.writing.tmp",
        "plan/merging",
        "plan/merge.json",
    )
    found |= dict.fromkeys(more, False)
    for name, is_folder in sorted(found.items()):
        yield from ((name, kind) for kind in (OF_FOLDERS if is_folder else OF_FILES))


def planted(scratch: Scratch, count: int, chance: random.Random) -> Iterator[str]:
    """Yields what went wrong.  count: of all there are."""
    trials = [
        (state, name, place, kind)
        for (place, kind), state in product(places(scratch), STATES)
        for name in COMMANDS[state]
    ]
    chance.shuffle(trials)
    tally: Counter[str] = Counter()
    usual = {(state, name): usual_status(scratch, state, name) for state in STATES for name in COMMANDS[state]}
    for trial in islice(trials, count):
        outcome = tried(scratch, trial, usual[trial[:2]])
        tally[outcome] += 1
        if outcome not in ("as usual", "refused by name", "done all the same", "not to be planted"):
            yield f"{trial}: {outcome}"
    print(f"planted: {dict(tally)}")


def usual_status(scratch: Scratch, state: str, name: str) -> int:
    scratch.restore(state)
    return in_child(lambda: scratch.do(name))[0]


def tried(scratch: Scratch, trial: Trial, usual: int) -> str:
    """What becomes of a command where something is planted."""
    state, name, place, kind = trial
    where, outside = scratch.restore(state) / place, scratch.folder / OUTSIDE
    if not where.parent.is_dir():
        return "not to be planted"
    if where.is_dir():
        shutil.rmtree(where)
    else:
        where.unlink(missing_ok=True)
    if not plant(kind, where, outside):
        return "not to be planted"
    before = tree(outside)
    status, said = in_child(lambda: scratch.do(name))
    wrong = wrong_with(status, said)
    if tree(outside) != before:
        make_outside(outside)
        wrong = "written outside"
    if wrong:
        return f"{wrong}; {said[-600:]}"
    if status != 0 and any(name in said and remedy in said for name, remedy in said_of(where)):
        return "refused by name"
    return OUTCOMES.get((status == 0, status == usual), f"status {status}; {said[-300:]}")


def said_of(where: Path) -> Iterator[tuple[str, str]]:
    """What is told of it and what to do, where it is not looked into, and where it is."""
    yield from product([where.name], ["move it away", "put a copy in its place"])
    yield from product(["/plan"], ["delete it", "--override"])


# Of a command that ends well, and as it does where nothing is planted.
OUTCOMES = {(True, True): "as usual", (False, True): "as usual", (True, False): "done all the same"}
