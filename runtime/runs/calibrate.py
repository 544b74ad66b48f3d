"""Which output of the AU head is which action unit, found on one reference picture per unit.

The published order is documented but nobody verified it, so the network is shown a picture of each unit and
the one-to-one assignment with the largest sum is taken.  The pictures are tiny, grey and partial, and AU25
and AU26 look nearly alike: an assignment that is not decisive would be worse than the documented order, so
by default it is adopted only when every picture lights up its own output most.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from of3.engines.bundle import Bundle, BundleError, read_plain
from of3.engines.field import Field, parsed
from of3.runtime.bundle import documented_order
from of3.runtime.pipeline import Pipeline
from of3.runtime.types import Floats, Image, PictureError
from of3.runtime.vision.decoding import decode
from of3.runtime.vision.images import read_bytes
from of3.runtime.vision.outputs import MOST

log = logging.getLogger(__name__)

METHOD_DOCUMENTED = "documented_order"
METHOD_ASSIGNMENT = "optimal_assignment"
MAX_CACHE_BYTES = 1 << 20
Score = Callable[[Sequence[Image]], Floats]  # pictures -> (N, outputs) AU scores


@dataclass(frozen=True, slots=True)
class Identity:
    """What a calibration depends on: the same identity, the same result."""

    bundle: str
    pictures: Mapping[str, str]  # file name -> sha256
    guard: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """The map in use, and how it came about; None and empty where no picture was shown."""

    au_to_index: Mapping[int, int]
    method: str
    note: str
    made_from: Identity | None = None
    matrix: Sequence[Sequence[float]] = ()
    row_margins: Sequence[float] = ()
    score: float | None = None
    assigned: Mapping[int, int] | None = None
    ambiguous: Sequence[str] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether pictures were missing, or lit up others' outputs more than their own."""
        return self.made_from is None or bool(self.ambiguous)


def documented(aus: Sequence[int], note: str) -> Calibration:
    """Output k is the k-th unit of the documented order."""
    return Calibration(documented_order(aus), METHOD_DOCUMENTED, note)


def picture_names(aus: Sequence[int]) -> list[str]:
    return [f"au_{au}.png" for au in aus]


def read_pictures(folder: Path, aus: Sequence[int]) -> tuple[list[Image], dict[str, str]]:
    """The reference pictures in AU order, and their digests.  Raises PictureError naming the one that fails."""
    images, digests = [], {}
    for name in picture_names(aus):
        try:
            content = read_bytes(str(folder / name))
            images.append(Image(name, decode(content).pixels))
        except PictureError as error:
            raise PictureError(f"{folder / name}: {error}") from error
        digests[name] = hashlib.sha256(content).hexdigest()
    return images, digests


def assign(matrix: np.ndarray) -> tuple[int, ...]:
    """(N,N) -> for every row its column, one to one, largest sum; exact, by trying all N! (40 320 for 8)."""
    every = np.array(list(permutations(range(len(matrix)))), np.int64)
    sums = matrix[np.arange(len(matrix)), every].sum(axis=1)
    return tuple(int(column) for column in every[sums.argmax()])


def decide(matrix: np.ndarray, aus: Sequence[int], made_from: Identity) -> Calibration:
    """Scores (picture, output) -> the map, adopted only when decisive unless the guard is off."""
    scores = matrix.astype(np.float64)
    columns = assign(scores)
    chosen = scores[np.arange(len(aus)), columns]
    names = picture_names(aus)
    ambiguous = [name for name, value, line in zip(names, chosen, scores, strict=True) if value < line.max()]
    assigned = dict(zip(aus, columns, strict=True))
    is_adopted = not (made_from.guard and ambiguous)
    return Calibration(
        au_to_index=assigned if is_adopted else documented_order(aus),
        method=METHOD_ASSIGNMENT if is_adopted else METHOD_DOCUMENTED,
        note=_note(is_adopted, ambiguous),
        made_from=made_from,
        matrix=scores.tolist(),
        row_margins=(chosen - np.sort(scores, axis=1)[:, -2]).tolist(),
        score=float(chosen.sum()),
        assigned=assigned,
        ambiguous=ambiguous,
    )


def _note(is_adopted: bool, ambiguous: Sequence[str]) -> str:
    if not ambiguous:
        return "every reference picture scores highest on the output assigned to it"
    listed = ", ".join(ambiguous)
    if is_adopted:
        return f"adopted although another output scores higher on {listed} (calib_guard off)"
    return f"not adopted, documented order kept: another output scores higher on {listed}"


def calibrate(pipeline: Pipeline, folder: str | PathLike[str], guard: bool = True) -> Mapping[int, int]:
    """Reference pictures `au_<unit>.png` in a folder -> unit: output, as `Pipeline.run` takes it.

    guard: a measured order is adopted only where every picture lights up its own output most.  Where the
    documented order stays, a warning says why.  Raises Closed, EngineFailed.
    """
    found = calibration_of(pipeline.bundle, Path(folder), None, guard, pipeline.au_scores)
    if found.is_doubtful:
        log.warning("AU order: %s", found.note)
    return found.au_to_index


def calibration_of(bundle: Bundle, folder: Path, cache: Path | None, guard: bool, score: Score) -> Calibration:
    """The map for this bundle and the pictures in `folder`.

    cache: an `au_info.json` whose map is used when it was made from the same bundle, pictures and guard;
    None to measure anew.  Missing or unreadable pictures mean the documented order, and the note says so.
    """
    aus = bundle.labels.aus
    try:
        images, digests = read_pictures(folder, aus)
        identity = Identity(bundle.digest, digests, guard)
        cached = None if cache is None else read_cache(cache, identity, aus)
        if cached is not None:
            log.debug("AU order: from %s", cache)
            return cached
        return decide(score(images), aus, identity)
    except PictureError as error:
        return documented(aus, f"documented order: {error}")


def to_document(calibration: Calibration, aus: Sequence[int]) -> dict[str, Any]:
    """What `au_info.json` holds."""
    fields = asdict(calibration)
    return {
        "source": "openface3",
        "order": list(aus),
        "names": [f"AU{au}" for au in aus],
        "note": fields.pop("note"),
        "calibration": {
            "method": fields.pop("method"),
            "map_au_to_idx": fields.pop("au_to_index"),
            "au_order": list(aus),
            **fields,
        },
    }


def read_cache(path: Path, identity: Identity, aus: Sequence[int]) -> Calibration | None:
    """The calibration stored in an `au_info.json`; None where there is none that can be believed.

    Anybody may have written it: it is believed when it says what `decide` makes of its own matrix, and nothing
    else.
    """
    if not path.exists():
        return None
    try:
        document = Field(parsed(read_plain(path, MAX_CACHE_BYTES)), "it")
        found = decide(_matrix(document["calibration"]["matrix"], len(aus)), aus, identity)
    except (BundleError, ValueError) as error:
        log.info("AU order: measured anew, %s is not used: %s", path, error)
        return None
    if _text(document.value) != _text(json.loads(json.dumps(to_document(found, aus)))):
        log.info("AU order: measured anew, %s is of other weights or pictures, or was changed", path)
        return None
    return found


def _matrix(field: Field, size: int) -> np.ndarray:
    rows = [[value.number(-MOST["au"], MOST["au"]) for value in row.each()] for row in field.each()]
    if [len(row) for row in rows] != [size] * size:
        raise field.refused(f"{size} rows of {size} numbers")
    return np.array(rows, np.float64)


def _text(document: Any) -> str:
    """Of JSON: for Python 1, 1.0 and True are one, as text they are three."""
    return json.dumps(document, sort_keys=True)
