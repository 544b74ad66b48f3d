"""Rows of a store -> arrays, the largest of them, the odd and the repeated."""

from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs import coding
from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.logs.items import Item, Stamp
from of3.runtime.logs.made import Run
from of3.runtime.logs.rows import RowOptions
from of3.runtime.logs.store import store_in_memory
from of3.runtime.report.batch import batch_of
from of3.runtime.report.extremes import KEPT, Top
from of3.runtime.report.gathered import Gathered
from of3.runtime.report.odd import KINDS
from of3.runtime.report.poses import poses_of
from of3.runtime.report.repeats import Alike
from of3.runtime.report.summary import Summary
from of3.runtime.types import Analysis, Failure
from tools.made_logs import NAMES, SIZE_PX, Seed

STAMP = Stamp(1, 2)


def store_of(results):
    store = store_in_memory(Run({}, RowOptions(), "in", NAMES, {}))
    pictures, faces = coding.values_of((Item(path, STAMP), result) for path, result in results)
    with store.transaction():
        store.add(1, pictures, faces)
    return store


def one(path, record):
    return path, Analysis(path, SIZE_PX, (record,), (), record)


def made(count, **changes):
    return [one(f"in/{n:05d}", Seed(n, **changes).record(f"in/{n:05d}")) for n in range(count)]


def batches(store):
    first = 0
    for rows in store.batches(1):
        batch = batch_of(rows, NAMES, first)
        first += len(batch.pictures)
        yield batch


def odd(name, record):
    (batch,) = batches(store_of([one("in/a", record)]))
    (kind,) = (kind for kind in KINDS if kind.name == name)
    return kind.measure(batch).tolist()[0]


def test_arrays_hold_what_the_records_say():
    several = [Seed(n).record("in/b", rank=n, faces=2) for n in range(2)]
    results = [*made(1), ("in/b", Analysis("in/b", SIZE_PX, tuple(several), (), several[0]))]
    whole = replace(Seed(7).record("in/c"), box=None, points=None, confidence=None, size_px=None)
    results += [("in/c", whole), ("in/d", Failure("in/d", "read", "unreadable"))]
    batch = batch_of([row for rows in store_of(results).batches(1) for row in rows], NAMES)
    assert batch.numbers.tolist() == [0, 1, 1, 2]
    assert len(batch.pictures) == 4
    records = [results[0][1].taken, *several, whole]
    np.testing.assert_array_equal(
        batch.au, np.array([[each.aus[unit] for unit in UNITS] for each in records], np.float32)
    )
    shares = [[each.probabilities[name] for name in EMOTIONS] for each in records]
    np.testing.assert_array_equal(batch.shares, np.array(shares, np.float32))
    assert np.isnan(batch.box_px[3]).all() and np.isnan(batch.confidence[3])
    assert batch.spot(3).box is None
    assert batch.spot(0).box == pytest.approx(records[0].box)
    assert [(failure.reason, spot.path) for failure, spot in batch.failures()] == [("unreadable", "in/d")]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_most_and_the_least_of_all_batches_are_kept(sign):
    results = made(2500)
    top = Top(sign)
    for batch in batches(store_of(results)):
        top.offer(batch, batch.au[:, 5])
    want = sorted((result.taken.aus[UNITS[5]] for _, result in results), key=lambda value: -sign * value)
    assert [spot.value for spot in top.kept] == pytest.approx(want[:KEPT])
    by_path = {path: result.taken.aus[UNITS[5]] for path, result in results}
    assert [by_path[spot.path] for spot in top.kept] == pytest.approx(want[:KEPT])


def test_a_straight_face_in_the_middle_is_not_odd():
    (batch,) = batches(store_of([one("in/a", replace(Seed(1).record("in/a"), confidence=0.99))]))
    assert [kind.name for kind in KINDS if not np.isnan(kind.measure(batch)).all()] == []


def test_faces_that_are_odd_are_known_by_it():
    assert odd("tiny", Seed(1, side_px=20).record("in/a")) == pytest.approx(20)
    assert odd("unsure", replace(Seed(1).record("in/a"), confidence=0.6)) == pytest.approx(0.6)
    assert odd("near the edge", Seed(1, at=(75, 240)).record("in/a")) == pytest.approx((6.4 + 5) / 160)
    assert odd("tilted", replace(Seed(1).record("in/a"), remarks=("tilted",))) == 1
    turned = Seed(1).record("in/a")
    points = np.array(turned.points)
    points[2, 0] = points[1, 0]  # the nose before an eye
    assert np.isnan(odd("sideways", replace(turned, points=points)))
    points[2, 0] += 1
    assert odd("sideways", replace(turned, points=points)) > 0.5


def test_a_picture_under_two_names_is_found():
    gathered = Gathered(poses_of(1200))
    results = made(1200)
    results += [one("in/copy", replace(results[3][1].taken, source="in/copy"))]
    store = store_of(results)
    gathered.add_pictures(store, lambda count: None)
    assert gathered.alike(store) == Alike(2, [["in/00003", "in/copy"]])


def test_every_face_of_a_group_is_counted():
    results = made(6)
    results += [one(f"in/copy{n}", replace(results[n % 2][1].taken, source=f"in/copy{n}")) for n in range(3)]
    store = store_of(results)
    gathered = Gathered(poses_of(9))
    gathered.add_pictures(store, lambda count: None)
    assert gathered.alike(store).count == 3 + 2
    assert sum(map(len, gathered.alike(store).groups)) == 5


def test_a_name_that_is_not_utf8_is_legible_in_a_group():
    path = "in/\udcff"
    store = store_of([*made(1), one(path, replace(Seed(0).record(path)))])
    gathered = Gathered(poses_of(2))
    gathered.add_pictures(store, lambda count: None)
    assert gathered.alike(store) == Alike(2, [["in/00000", "in/\\xff"]])


def test_reasons_are_counted_with_some_of_their_pictures():
    results = [(f"in/{n}", Failure(f"in/{n}", "read", f"unreadable: {n}")) for n in range(20)]
    summary = Summary()
    for batch in batches(store_of(results)):
        summary.add(batch)
    ((stage, reason), found) = next(iter(summary.reasons.items()))
    assert (stage, reason, found.count, len(found.examples)) == ("read", "unreadable", 20, 6)


def test_endlessly_many_reasons_are_one_in_the_end():
    results = [(f"in/{n}", Failure(f"in/{n}", "read", f"reason {n}")) for n in range(100)]
    summary = Summary()
    for batch in batches(store_of(results)):
        summary.add(batch)
    assert len(summary.reasons) == 41
    assert sum(each.count for each in summary.reasons.values()) == 100


def test_poses_of_a_sample_are_those_of_the_faces():
    poses = poses_of(9000)
    for batch in batches(store_of(made(1500, pose_deg=(0, 20, 0)))):
        poses.add(batch.rows, NAMES)
    assert poses.measured == 500
    assert poses.angles_deg[1].mean == pytest.approx(20, abs=0.1)


def test_what_never_changes_is_named():
    summary = Summary()
    record = Seed(1).record("x")
    results = [one(f"in/{n}", replace(Seed(n).record("x"), confidence=record.confidence)) for n in range(3)]
    for batch in batches(store_of(results)):
        summary.add(batch)
    assert summary.constants() == ["confidence"]
