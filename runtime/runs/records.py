"""The records of a log folder, for Python: frozen records one by one, or columns."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from of3.runtime.logs.store import BATCH, Store, open_store
from of3.runtime.runs.reading import folder_of, held
from of3.runtime.runs.render import records_of
from of3.runtime.stream import batches
from of3.runtime.types import Closed, Failure, Record


class Records:
    """Use as a context manager; while it is open, no run can begin on the folder.

    A Record or Failure for each row of openface3.csv, in its order.
    """

    def __init__(self, path: str | Path):
        """path: a log root, or its `openface3`.  Raises RunError: no records, damaged; a run writes there."""
        folder = folder_of(path)
        place = records_of(folder)
        with ExitStack() as opened:
            how = opened.enter_context(held(folder))
            self._kept = opened.enter_context(open_store(place, how))
            self._opened = opened.pop_all()
        self._is_closed = False

    @property
    def _store(self) -> Store:
        if self._is_closed:
            raise Closed("these records are closed: open them again")
        return self._kept

    def __len__(self) -> int:
        return sum(self._store.counts(run).total for run in self._store.runs())

    def __iter__(self) -> Iterator[Record | Failure]:
        for run in self._store.runs():
            for _, result in self._store.results(run):
                yield result

    def columns(self) -> dict[str, NDArray[Any]]:
        """Arrays with a row a picture; empty text and NaN where it failed or nothing was measured.

        `path`, `stage`, `reason`, `damage`, `emotion`: text.  `success`: bool.  `confidence`, `yaw_rad`,
        `pitch_rad`, `au1` and the other units by the calibrated order, `probability_happy` and the other
        emotions: float32 (N,).  `box_px` (N,4), `points_px` (N,5,2), `landmarks_px` (N,L,2), `emotion_logits`
        (N,8), `au_raw` (N,8).
        """
        first = next((result for result in self if isinstance(result, Record)), None)
        parts = [_columns(some, first) for some in batches(self, BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}

    def __enter__(self) -> "Records":
        return self

    def close(self) -> None:
        """Let runs begin on the folder again.  Reading raises Closed afterwards.  Twice is once."""
        self._is_closed = True
        self._opened.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _columns(results: Sequence[Record | Failure], like: Record | None) -> dict[str, NDArray[Any]]:
    """like: one that succeeded, by which names and sizes are known."""
    records = [result if isinstance(result, Record) else None for result in results]
    texts = {name: [getattr(result, name, "") for result in results] for name in ("stage", "reason", "damage")}
    columns: dict[str, NDArray[Any]] = {
        "path": np.array([result.source for result in results], object),
        "success": np.array([record is not None for record in records]),
        **{name: np.array(values, object) for name, values in texts.items()},
        "emotion": np.array([record.emotion if record else "" for record in records], object),
    }
    if like is None:
        return columns
    made: dict[str, Callable[[Record], Any]] = {
        "confidence": attrgetter("confidence"),
        **{f"{name}_rad": _of("gaze_rad", name) for name in like.gaze_rad},
        **{f"au{unit}": _of("aus", unit) for unit in like.aus},
        **{f"probability_{name}": _of("probabilities", name) for name in like.probabilities},
        "box_px": attrgetter("box"),
        "points_px": attrgetter("points"),
        "landmarks_px": attrgetter("landmarks"),
        "emotion_logits": attrgetter("raw.emotion_logits"),
        "au_raw": attrgetter("raw.au"),
    }
    sizes = {"box_px": (4,), "points_px": (5, 2)}
    for name, of in made.items():
        shape = sizes.get(name, np.shape(of(like)) if of(like) is not None else ())
        columns[name] = np.full((len(records), *shape), np.nan, np.float32)
        for index, record in enumerate(records):
            value = None if record is None else of(record)
            if value is not None:
                columns[name][index] = value
    return columns


def _of(mapping: str, name: Any) -> Callable[[Record], Any]:
    return lambda record: getattr(record, mapping).get(name)


def open_records(path: str | Path) -> Records:
    """What a run has found, e.g. `with open_records("logs") as records: records.columns()["au12"].mean()`.

    path, errors: as of Records.
    """
    return Records(path)
