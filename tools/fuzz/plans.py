"""What a merge reads, by bit and by field."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from of3.runtime.runs.records import open_records
from of3.runtime.runs.shards.document import text_of
from tools.fuzz.scratch import OUTSIDE, Scratch, in_child, tree, wrong_with

NOT_COMPARED = {"run.lock", "run.json", "openface3.txt", "records.sqlite"}
TIMES = {"started", "elapsed_s", "images_per_s"}
SAID = {"flags"}  # what else a document may say of them is somebody's to say


def flips(scratch: Scratch, count: int, chance: random.Random) -> Iterator[str]:
    """One bit of what a merge reads, each file as often as the others."""
    top = scratch.restore("shared")
    files = [path.relative_to(top) for path in sorted((top / "plan").rglob("*")) if path.is_file()]

    def spoil(number: int) -> str:
        path = top / files[number % len(files)]
        content = bytearray(path.read_bytes())
        at = chance.randrange(len(content))
        content[at] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        return f"{files[number % len(files)]}, byte {at}"

    yield from merged(scratch, "flips", count, spoil, TIMES)


VALUES: Sequence[Any] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**300, 1.5, 1e308, float("nan"), "", "x", "..", "/", "\0"),
    *("9" * 5000, "\ud800", [], {}, [[]], {"": {}}, [0] * 1000),
)
DEEP = "[" * 100_000


def fields(scratch: Scratch, count: int, chance: random.Random) -> Iterator[str]:
    """A value of a document, or a number of the index or the manifest, with all digests made right again."""
    top = scratch.restore("shared")
    plan = top / "plan"

    def spoil(number: int) -> str:
        documents = (plan / "plan.json", plan / "run" / "identity.json")
        tables = (plan / "shards.tsv", plan / "manifest.tsv")
        if number % 2:
            return in_document(documents[number // 2 % 2], chance)
        said = in_table(tables[number // 2 % 2], chance)
        made_right(plan)
        return said

    yield from merged(scratch, "fields", count, spoil, TIMES | SAID)


def in_table(path: Path, chance: random.Random) -> str:
    """Another value in one cell of the index or the manifest."""
    lines = path.read_bytes().splitlines(keepends=True)
    at = chance.randrange(path.name == "manifest.tsv", len(lines))
    cells = lines[at].split(b"\t")
    cell = chance.randrange(len(cells))
    width = len(cells[cell])
    digits = (b"9" * width, b"-" + b"1" * (width - 1), b"0" * width, b"9" * 5000)
    cells[cell] = chance.choice((*digits, b"\xff" * width, b"../x.jpg\n", b"/x.jpg\n"))
    lines[at] = b"\t".join(cells)
    path.write_bytes(b"".join(lines))
    return f"{path.name}, line {at}, cell {cell}: {cells[cell][:99]!r}"


def in_document(path: Path, chance: random.Random) -> str:
    """Another value at one place of a JSON file."""
    document = json.loads(path.read_text())
    document.pop("sha256")
    if chance.random() < 0.05:
        path.write_text(DEEP)
        return f"{path.name}: too deep"
    inner = json.loads(document["run"]) if "run" in document else {}  # JSON in JSON
    own, within = list(places_in(document)), list(places_in(inner))
    number, value = chance.randrange(len(own) + len(within)), chance.choice(VALUES)
    holder, name = (own + within)[number]
    if isinstance(holder, dict) and chance.random() < 0.1:
        del holder[name]
    else:
        holder[name] = value
    if number >= len(own):
        document["run"] = json.dumps(inner)
    path.write_text(text_of(document))
    return f"{path.name}: {name} = {value!r}"[:200]


def places_in(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON document, as what holds it and the name or number there."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in list(items):
        yield document, name
        if isinstance(value, dict | list):
            yield from places_in(value)


def made_right(plan: Path) -> None:
    """Give index and plan the digests of what is there, where a line still has its shape."""
    lines = (plan / "shards.tsv").read_bytes().splitlines(keepends=True)
    manifest = (plan / "manifest.tsv").read_bytes().splitlines(keepends=True)[1:]
    first = 0
    for number, line in enumerate(lines):
        cells = line.split(b"\t")
        if len(cells) == 3 and cells[1].isdigit() and len(cells[1]) < 20:
            theirs = manifest[first : first + int(cells[1])]
            cells[2] = hashlib.sha256(b"".join(theirs)).hexdigest().encode() + b"\n"
            lines[number] = b"\t".join(cells)
            first += len(theirs)
    (plan / "shards.tsv").write_bytes(b"".join(lines))
    document = json.loads((plan / "plan.json").read_text())
    document.pop("sha256")
    document["manifest"] = hashlib.sha256(b"".join(lines)).hexdigest()
    (plan / "plan.json").write_text(text_of(document))


def merged(
    scratch: Scratch, name: str, count: int, spoil: Callable[[int], str], but: Set[str]
) -> Iterator[str]:
    """Spoil a plan that is done and merge it, again and again; yields what went wrong.  but: as of results."""
    top = scratch.restore("merged")
    want, tally = results(scratch, top, but), Counter[str]()
    before = tree(scratch.folder / OUTSIDE)
    for number in range(count):
        scratch.restore("shared")
        what = spoil(number)
        status, said = in_child(lambda: scratch.do("merge"))
        wrong = wrong_with(status, said)
        if not wrong and status == 0 and results(scratch, top, but) != want:
            wrong = "silently different"
        if not wrong and status and str(top / "plan") not in said:
            wrong = "an error that names nothing"
        if tree(scratch.folder / OUTSIDE) != before:
            wrong = "written outside"
        tally[wrong or ("equal" if status == 0 else "refused")] += 1
        if wrong:
            yield f"{what}: {wrong}; {said[-600:]}"
    print(f"{name}: {dict(tally)}")


def results(scratch: Scratch, top: Path, but: Set[str]) -> Any:
    """What a merge wrote: its files, the records, and run.json but for some names."""
    info = json.loads((top / "run.json").read_text())
    with open_records(scratch.folder / "logs") as records:
        rows = [str(result) for result in records]
    return files_of(top), {name: info[name] for name in sorted(info) if name not in but}, rows


def files_of(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and path.name not in NOT_COMPARED and path.relative_to(top).parts[0] != "plan"
    }
