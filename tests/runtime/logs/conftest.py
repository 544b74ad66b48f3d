"""Results made up, and logs of them."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs.folder import Mode, RunLogs
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import OutputNames, Run
from of3.runtime.logs.rows import RowOptions
from of3.runtime.remarks import REMARKS
from of3.runtime.types import Failure, RawValues, Record

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
NAMES = ["a", "z,z", 'quo"te', "new\nline", "back\\slash\\n", "tab\t", "car\rriage", "\udcff", "=1", "NA"]
RUN = Run(
    {"flags": {"th_smile": 0.5}, "au": {"1": 0}},
    RowOptions(extra_csv=True),
    "in",
    OutputNames(EMOTIONS, ("yaw", "pitch"), {unit: 7 - index for index, unit in enumerate(UNITS)}),
    {"order": [1, 2]},
)


def made_up(name, seed=0):
    """A record, or every fourth time a failure, of a picture."""
    path = f"in/{name}"
    chance = np.random.default_rng([seed, *path.encode("utf-8", "surrogatepass")])
    item = Item(path, Stamp(int(chance.integers(1 << 40)), int(chance.integers(1 << 60))), seed % 3)
    if chance.integers(4) == 0:
        return Failure(path, "read", f"unreadable: {name!r}"), item
    values = [chance.random(size, np.float32) for size in (8, 8, 2, 8, 4, (5, 2), (98, 2))]
    logits, shares, gaze, au, box, points, landmarks = values
    has_face = bool(chance.integers(2))
    presence = au.tolist()
    record = Record(
        source=path,
        emotion=EMOTIONS[int(shares.argmax())],
        probabilities=dict(zip(EMOTIONS, shares.tolist(), strict=True)),
        gaze_rad=dict(zip(("yaw", "pitch"), gaze.tolist(), strict=True)),
        aus={unit: presence[output] for unit, output in RUN.names.aus.items()},
        raw=RawValues(logits, gaze, au),
        box=tuple(box.tolist()) if has_face else None,
        confidence=float(chance.random(dtype=np.float32)) if has_face else None,
        landmarks=landmarks if chance.integers(2) else None,
        damage="Unsupported marker" if chance.integers(3) == 0 else "",
        points=points if has_face else None,
        faces=int(chance.integers(1, 4)) if has_face else None,
        face=int(chance.integers(2)) if has_face else 0,
        remarks=tuple(word for word in REMARKS if has_face and chance.integers(2)),
    )
    return record, item


@pytest.fixture
def result():
    return made_up


@pytest.fixture
def as_made():
    return RUN


@pytest.fixture
def names():
    return list(NAMES)


def write_logs(folder, names, mode=Mode(), seed=0, every=1, run=RUN, finish=True, **options):  # noqa: B008
    """A run over some pictures, in a transaction for every few of them."""
    folder.mkdir(exist_ok=True)
    with RunLogs(folder, replace(run, rows=replace(run.rows, **options)), mode) as logs:
        for number, name in enumerate(names, 1):
            logs.add(logs.entries([made_up(name, seed)[::-1]]))
            if number % every == 0:
                logs.commit()
        if finish:
            logs.finish()
        else:
            logs.commit()


@pytest.fixture
def fill():
    return write_logs


@pytest.fixture
def tables():
    """What is in the text files of a folder."""

    def of(folder):
        found = (
            "openface3.csv",
            "errors.tsv",
            "openface3_full.csv",
            "openface3_boxes.csv",
            "openface3_faces.csv",
        )
        return {name: (folder / name).read_bytes() for name in found if (folder / name).exists()}

    return of
