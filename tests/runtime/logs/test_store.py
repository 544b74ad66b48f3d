"""Records: typed, whole or refused."""

import itertools
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from of3.runtime.logs import coding
from of3.runtime.logs.coding import values_of
from of3.runtime.logs.items import key_of, path_of
from of3.runtime.logs.made import Session
from of3.runtime.logs.store import FILE, make_store, open_store, store_in_memory, store_of
from of3.runtime.types import Analysis, Failure, Record, RunError


def same(one, other):
    """Whether two results are equal in every number."""
    (result, item), (again, item_again) = one, other
    if item != item_again or type(result) is not type(again):
        return False
    if isinstance(result, Failure):
        return result == again
    plain = ("source", "emotion", "probabilities", "gaze_rad", "aus", "box", "confidence", "damage")
    arrays = ("landmarks", "points")
    raw = ("emotion_logits", "gaze_rad", "au")
    return (
        all(getattr(result, name) == getattr(again, name) for name in plain)
        and all(np.array_equal(getattr(result, name), getattr(again, name)) for name in arrays)
        and all(np.array_equal(getattr(result.raw, name), getattr(again.raw, name)) for name in raw)
    )


@pytest.fixture
def filled(tmp_path, as_made, result, names):
    """A store with a picture for every name, and what went into it."""
    make_store(tmp_path / FILE, as_made)
    made = [result(name, seed) for seed in range(4) for name in (f"{seed}/{name}" for name in names)]
    with open_store(tmp_path / FILE) as store, store.transaction():
        store.add(1, *values_of([(item, each) for each, item in made]))
    return made


def read(path):
    with open_store(path / FILE) as store:
        return [(result, item) for item, result in store.results(1)]


def test_every_result_comes_back_as_it_was_in_the_order_of_the_tables(tmp_path, filled):
    found = read(tmp_path)
    want = sorted(filled, key=lambda each: each[1].path.split("/"))
    assert len(found) == len(filled) > 30
    assert all(same(one, other) for one, other in zip(found, want, strict=True))


def test_what_the_rows_were_made_with_comes_back(tmp_path, filled, as_made):
    with open_store(tmp_path / FILE) as store:
        assert store.run(1) == as_made
        assert store.run(1).names.aus == as_made.names.aus


def test_others_can_read_it_with_sqlite_alone(tmp_path, filled):
    with sqlite3.connect(tmp_path / FILE) as database:
        query = (
            "SELECT path, au FROM pictures JOIN faces ON faces.picture = pictures.id WHERE path LIKE '%/0/a'"
        )
        ((path, au),) = database.execute(query)
    (record,) = (result for result, item in filled if item.path == path)
    np.testing.assert_array_equal(np.frombuffer(au, "<f4"), record.raw.au)
    database.close()


def analysis(result, name, count, fails=False):
    """Of a picture of so many faces, of which the first is taken, or failed."""
    made = (result(name, seed)[0] for seed in itertools.count())
    some = itertools.islice((each for each in made if isinstance(each, Record) and each.box is not None), count)
    item, known = result(name)[1], {"faces": count + fails, "size_px": (640, 480), "damage": ""}
    records = [replace(record, face=rank, **known) for rank, record in enumerate(some, int(fails))]
    failure = Failure(item.path, "crop", "zero-area crop") if fails else Failure(item.path, "detect", "no face")
    taken = records[0] if records and not fails else failure
    failed = (failure,) if fails else ()
    return item, Analysis(item.path, (640, 480), tuple(records), failed, taken)


def test_every_face_of_a_picture_comes_back_whatever_became_of_the_one_that_is_taken(tmp_path, as_made, result):
    made = [
        analysis(result, f"{number:04d}", count, fails)
        for number, (count, fails) in enumerate(
            [(3, False), (0, False), (2, True), (1, False), *[(7, False)] * 300]
        )
    ]
    make_store(tmp_path / FILE, as_made)
    with open_store(tmp_path / FILE) as store, store.transaction():
        store.add(1, *values_of(made))
    with open_store(tmp_path / FILE) as store:
        one = list(store.results(1))
        every = [each for rows in store.batches(1) for each in coding.faces(rows, as_made.names)]
    assert [item.path for item, _ in one] == [path for path, _ in every] == [item.path for item, _ in made]
    for (item, want), (_, taken), (_, faces) in zip(made, one, every, strict=True):
        assert same((taken, item), (want.taken, item))
        assert [face.face for face in faces] == [face.face for face in want.faces]
        assert all(same((face, item), (other, item)) for face, other in zip(faces, want.faces, strict=True))
        assert {face.size_px for face in faces} <= {(640, 480)}


def test_a_picture_whose_taken_face_is_gone_is_refused(tmp_path, as_made, result):
    make_store(tmp_path / FILE, as_made)
    with open_store(tmp_path / FILE) as store, store.transaction():
        store.add(1, *values_of([analysis(result, "a", 3)]))
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("DELETE FROM faces WHERE face = 0")
    database.close()
    with pytest.raises(RunError, match="damaged"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["a/b", "a b/c", "a.b", "\udcff/\udc80", "é\U0001f600", "x\r\n\t\\"])
def test_a_key_gives_its_path_back(path):
    assert path_of(key_of(path)) == path


def test_a_picture_that_is_done_again_gives_way(tmp_path, filled, result):
    again = result("0/a", 9)
    with open_store(tmp_path / FILE) as store, store.transaction():
        store.add(1, *values_of([again[::-1]]))
    found = {item.path: (each, item) for each, item in read(tmp_path)}
    assert len(found) == len(filled)
    assert same(found["in/0/a"], again)


def test_what_is_done_is_told_by_key_while_more_is_added(tmp_path, filled, result):
    with open_store(tmp_path / FILE) as store:
        told = []
        for done in store.done(1):
            told.append(path_of(done.key))
            if len(told) == 5:
                with store.transaction():
                    store.add(1, *values_of([result("0", 1)[::-1]]))  # before all of them
    assert told == [item.path for _, item in sorted(filled, key=lambda each: key_of(each[1].path))]


def test_a_transaction_that_fails_leaves_nothing(tmp_path, filled, result):
    with open_store(tmp_path / FILE) as store:

        def broken():
            with store.transaction():
                store.add(1, *values_of([result("new")[::-1]]))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        assert store.counts(1).total == len(filled)


def test_a_store_in_memory_is_the_same_from_its_bytes(tmp_path, as_made, result, names):
    session = Session({"engines": {}}, 1.5, 2.5)
    with store_in_memory(as_made) as store:
        store.add(1, *values_of([result(name)[::-1] for name in names]))
        store.put_session(1, session)
        content = store.content()
    with store_of(content, tmp_path / "part") as again:
        assert again.sessions() == [session]
        assert sorted(item.path for item, _ in again.results(1)) == sorted(f"in/{name}" for name in names)


def flips(content):
    """Places in each page: its header, the beginning of its cells, its end, and some by chance."""
    chance = np.random.default_rng(0)
    for page in range(0, len(content), 4096):
        yield from {page + offset for offset in (*range(12), 100, 4000, 4095, *chance.integers(0, 4096, 20))}


def test_a_flipped_bit_is_refused_or_harmless_and_never_another_record(tmp_path, filled):
    whole, want = (tmp_path / FILE).read_bytes(), read(tmp_path)
    chance, refused, right = np.random.default_rng(0), 0, 0
    for at in flips(whole):
        content = bytearray(whole)
        content[at] ^= 1 << int(chance.integers(8))
        (tmp_path / FILE).write_bytes(content)
        try:
            found = read(tmp_path)
        except (RunError, OSError):
            refused += 1
            continue
        assert len(found) == len(want), at
        assert all(same(one, other) for one, other in zip(found, want, strict=True)), at
        right += 1
    assert refused > 100
    assert right > 10  # free space, and what SQLite does not look at


def test_a_cut_store_is_refused(tmp_path, filled):
    whole = (tmp_path / FILE).read_bytes()
    for size in (0, 1, 99, 4096, len(whole) // 2, len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:size])
        with pytest.raises((RunError, OSError), match=r"records\.sqlite"):
            read(tmp_path)


def test_another_revision_is_refused_by_name(tmp_path, filled):
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 4")
    database.close()
    with pytest.raises(RunError, match="got records of revision 4, want 3: use the of3 that made them"):
        read(tmp_path)


def test_another_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(RunError, match=r"damaged \(not records of ours\): pass --override"):
        open_store(tmp_path / FILE)


def test_a_picture_takes_less_than_1200_bytes(tmp_path, as_made, result):
    make_store(tmp_path / FILE, as_made)
    path = "workspace/data_src/aligned/a_session_of_somebody/camera_left/frame_"
    made = [result(f"{path}{number:08d}.jpg")[::-1] for number in range(5000)]
    made = [(item, each) for item, each in made if isinstance(each, Failure) or each.landmarks is None]
    with open_store(tmp_path / FILE) as store, store.transaction():
        store.add(1, *values_of(made))
    assert (tmp_path / FILE).stat().st_size / len(made) < 1200


def test_a_new_store_takes_the_place_of_one_that_was_killed(tmp_path, filled, as_made):
    """The journal of the old one is not played back into the new one."""
    old = tmp_path / f"{FILE}-journal"
    shutil.copy(tmp_path / FILE, old)
    make_store(tmp_path / FILE, as_made)
    assert not old.exists()
    assert read(tmp_path) == []
