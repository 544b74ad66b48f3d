"""`records.sqlite`: what is known of every picture of a log folder, typed; all else is rendered from it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path
from zlib import crc32

from of3.runtime.logs import coding
from of3.runtime.logs.coding import Damaged, Values
from of3.runtime.logs.counts import Counts
from of3.runtime.logs.database import Database, put_in_place
from of3.runtime.logs.items import Done, Item
from of3.runtime.logs.made import Run, Session, run_of
from of3.runtime.logs.opening import remove
from of3.runtime.logs.rows import FILES
from of3.runtime.remarks import TILTED
from of3.runtime.types import Failure, Record

FILE = "records.sqlite"
BATCH = 1000  # rows that are read at a time
ADD_PICTURE = (
    "INSERT INTO pictures VALUES (?, ?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_FACE = "INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE_FACE = "DELETE FROM faces WHERE picture = (SELECT id FROM pictures WHERE run = ? AND key = ?)"
DELETE_PICTURE = "DELETE FROM pictures WHERE run = ? AND key = ?"
READ_COUNTS = (
    "SELECT stage, reason, damage != '', coalesce(faces, 0) > 1, remarks, count(*) FROM pictures WHERE run = ? "
    "GROUP BY 1, 2, 3, 4, 5"
)
READ_DONE = f"SELECT {coding.PICTURE_READ} FROM pictures p WHERE run = ? AND key > ? ORDER BY key LIMIT ?"  # noqa: S608
READ = (
    f"SELECT {coding.ROW_READ} FROM %s.pictures p LEFT JOIN %s.faces f ON f.picture = p.id "  # noqa: S608
    "WHERE p.run = ? AND p.id >= ? %s ORDER BY %s, f.face"
)
IS_TOLD = f"AND (p.stage != '' OR p.damage != '' OR instr(p.remarks, '{TILTED}'))"
# From a part, whose pictures are numbered from 1.
COPY_PICTURES = (
    "INSERT INTO pictures SELECT id + ?, ?, key, path, size, mtime_ns, stem_index, stage, reason, damage, "
    "faces, remarks, taken, width_px, height_px, frame, time_s, time_source, crc FROM part.pictures ORDER BY id"
)
COPY_SESSIONS = "INSERT INTO sessions SELECT NULL, ?, started_s, ended_s, made FROM part.sessions"
COPY_FACES = (
    "INSERT INTO faces SELECT picture + ?, face, confidence, box_px, points_px, emotion_logits, probabilities, "
    "gaze_rad, au, landmarks_px, crc FROM part.faces ORDER BY picture, face"
)


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of a text file that hold rows of a run: those from picture `first` on; 0: all, in order.

    crc: of these bytes, begun with `region_seed`.
    """

    start: int
    end: int
    run: int
    first: int
    crc: int


def region_seed(file: str, start: int, run: int, first: int) -> int:
    """What a region's crc is begun with, so that it holds for where and whose it is as well."""
    return crc32(f"{file} {start} {run} {first}".encode())


class Store:
    """An open database.  Use as a context manager, from one thread at a time.

    Its methods raise RunError where it is damaged, OSError where it cannot be read or written.
    """

    def __init__(self, database: Database, is_known: bool = False):
        """is_known: whole, as a digest of its bytes says."""
        self._database, self._is_known = database, is_known
        self.transaction, self.check_in_place = database.transaction, database.check_in_place
        self.content, self.attached = database.content, database.attached

    @property
    def last_run(self) -> int:
        return int(self._database.rows("SELECT max(id) FROM runs")[0][0])

    @property
    def next_picture(self) -> int:
        """The number that the next picture gets."""
        return 1 + int(self._database.rows("SELECT coalesce(max(id), 0) FROM pictures")[0][0])

    def runs(self) -> dict[int, Run]:
        """By number, in the order they were begun."""
        return {
            number: self.run(number) for (number,) in self._database.rows("SELECT id FROM runs ORDER BY id")
        }

    def run(self, number: int) -> Run:
        return run_of(self._run(number)[0])

    def _run(self, number: int) -> tuple[str, bool]:
        """Its document, and whether it is sorted."""
        with self._database.told():
            for document, is_sorted, crc in self._database.rows(
                "SELECT document, is_sorted, crc FROM runs WHERE id = ?", number
            ):
                if _run_crc(document, is_sorted) == crc:
                    return document, bool(is_sorted)
            raise Damaged("what the rows were made with")

    def has_landmarks(self) -> bool:
        """Of any picture."""
        return bool(self._database.rows("SELECT 1 FROM faces WHERE landmarks_px IS NOT NULL LIMIT 1"))

    def last_key(self, run: int) -> bytes:
        """Empty where there is none."""
        return bytes(self._database.rows("SELECT max(key) FROM pictures WHERE run = ?", run)[0][0] or b"")

    def is_sorted(self, run: int) -> bool:
        """Whether the rows of a run stand in the text files in the order of the pictures, each once."""
        return self._run(run)[1]

    def sessions(self) -> list[Session]:
        found = self._database.rows("SELECT made, started_s, ended_s FROM sessions ORDER BY id")
        return [Session(json.loads(made), *times) for made, *times in found]

    def counts(self, run: int) -> Counts:
        """What became of its pictures."""
        counts = Counts()
        for stage, reason, damage, several, remarks, count in self._database.rows(READ_COUNTS, run):
            if stage:
                counts.failed[reason.split(":")[0]] += count
            else:
                noted = dict.fromkeys(remarks.split(), count)
                counts.add(Counts(count, count * damage, count * several, Counter(noted)))
        return counts

    def parts(self, plan: str) -> set[str]:
        """Those of a plan whose rows are here."""
        return {name for (name,) in self._database.rows("SELECT part FROM parts WHERE plan = ?", plan)}

    def replacing(self) -> list[str]:
        """Text files whose next version is whole, and to be put in its place."""
        return [name for (name,) in self._database.rows("SELECT file FROM replacing")]

    def regions(self, file: str) -> list[Region]:
        found = self._database.rows("SELECT file, start, end, run, first, crc FROM regions ORDER BY id")
        with self._database.told():
            if {name for name, *_ in found} - {*FILES}:
                raise Damaged("where rows stand")
        return [Region(*row) for name, *row in found if name == file]

    def done(self, run: int) -> Iterator[Done]:
        """Pictures of a run by key.  Rows may be added meanwhile, of keys that it has passed."""
        after = b""
        while rows := self._database.rows(READ_DONE, run, after, BATCH):
            self._check(rows)
            for key, size, mtime_ns, stem_index, stage, *_ in rows:
                yield Done(key, size, mtime_ns, not stage, stem_index)
            after = rows[-1][0]

    def batches(
        self, run: int, first: int = 0, is_told: bool = False, schema: str = "main"
    ) -> Iterator[list[Values]]:
        """Rows of a run, as `coding.ROW_READ`, by key, or from picture `first` on in the order they were added.

        A picture's are not parted.
        is_told: only those of `coding.is_told`.  schema: "part", where that is attached.
        """
        order = "p.id" if first else "p.key"
        query = READ % (schema, schema, IS_TOLD if is_told else "", order)
        found = self._database.batches(BATCH, query, 1 if schema == "part" else run, first)
        for rows in coding.whole_pictures(found):
            if schema == "main":
                self._check(rows)
            yield rows

    def _check(self, rows: Sequence[Values]) -> None:
        with self._database.told():
            if not self._is_known:
                coding.check(rows)

    def results(self, run: int) -> Iterator[tuple[Item, Record | Failure]]:
        """What is known of a run's pictures, by key."""
        names = self.run(run).names
        return chain.from_iterable(coding.results(rows, names) for rows in self.batches(run))

    def begin(self, run: Run) -> int:
        """Another run, after those that are here; its number."""
        return self._put_run(None, run.to_json(), is_sorted=True)

    def put_run(self, number: int, run: Run) -> None:
        """What its rows are made with from now on, all of them in order."""
        self._put_run(number, run.to_json(), is_sorted=True)

    def note_disorder(self, number: int) -> None:
        """That its rows are not, or not each once."""
        self._put_run(number, self._run(number)[0], is_sorted=False)

    def _put_run(self, number: int | None, document: str, is_sorted: bool) -> int:
        query = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)"
        return self._database.write(query, number, document, is_sorted, _run_crc(document, is_sorted))

    def put_session(self, run: int, session: Session, number: int | None = None) -> int:
        """A new one, or what is known by now of one; its number."""
        query, made = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", json.dumps(session.made)
        return self._database.write(query, number, run, session.started_s, session.ended_s, made)

    def add(self, run: int, pictures: Sequence[Values], faces: Sequence[Sequence[Values]]) -> None:
        """faces: of each picture.  A picture of the same key gives way."""
        first, keys = self.next_picture, [(run, values[0]) for values in pictures]
        if keys and min(key for _, key in keys) <= self.last_key(run):
            self._database.write_all(DELETE_FACE, keys)
            self._database.write_all(DELETE_PICTURE, keys)
        numbered = ((number, run, *values) for number, values in enumerate(pictures, first))
        self._database.write_all(ADD_PICTURE, numbered)
        theirs = ((number, *values) for number, some in enumerate(faces, first) for values in some)
        self._database.write_all(ADD_FACE, theirs)

    def add_part(self, run: int, plan: str, name: str) -> None:
        """All that is in the part that is attached, and that it is here."""
        before, keys = self.next_picture - 1, self._database.rows("SELECT ?, key FROM part.pictures", run)
        if min(key for _, key in keys) <= self.last_key(run):
            self._database.write_all(DELETE_FACE, keys)
            self._database.write_all(DELETE_PICTURE, keys)
        self._database.write(COPY_PICTURES, before, run)
        self._database.write(COPY_FACES, before)
        self._database.write(COPY_SESSIONS, run)
        self._database.write("INSERT INTO parts VALUES (?, ?)", plan, name)

    def add_region(self, file: str, region: Region) -> None:
        self._database.write("INSERT INTO regions VALUES (NULL, ?, ?, ?, ?, ?, ?)", file, *astuple(region))

    def replace_regions(self, file: str, regions: Iterable[Region]) -> None:
        """Those of a file's next version, which is whole."""
        self._database.write("DELETE FROM regions WHERE file = ?", file)
        for region in regions:
            self.add_region(file, region)
        self._database.write("INSERT OR IGNORE INTO replacing VALUES (?)", file)

    def end_replacing(self) -> None:
        self._database.write("DELETE FROM replacing")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _run_crc(document: str, is_sorted: bool) -> int:
    return crc32(f"{int(is_sorted)}{document}".encode())


def open_store(path: Path, how: str = "mode=rw") -> Store:
    """One that is there.  how: of an SQLite URI.  Raises RunError: damaged, of another revision; OSError."""
    return _checked(Database(path, how))


def store_of(content: bytes, path: Path) -> Store:
    """What `Store.content` gave, as its digest says.  path: where it was read.  Raises RunError."""
    return _checked(Database(path, "", content), is_known=True)


def _checked(database: Database, is_known: bool = False) -> Store:
    with ExitStack() as opened:
        opened.callback(database.close)
        database.check(is_known)
        opened.pop_all()
    return Store(database, is_known)


def store_in_memory(run: Run) -> Store:
    database = Database(Path(":memory:"), "")
    database.make()
    made = Store(database)
    made.begin(run)
    return made


def make_store(path: Path, run: Run, replacing: Iterable[str] = ()) -> None:
    """Put a new one in a place, whole, whatever stood there.  replacing: as `Store.replacing`.

    Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    remove(temporary)
    database = Database(temporary, "mode=rwc")
    with Store(database) as made:
        database.make()
        with made.transaction():
            made.begin(run)
            for file in replacing:
                made.replace_regions(file, ())
    put_in_place(temporary, path)
