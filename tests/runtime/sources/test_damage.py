"""What is told of losses."""

from math import inf

from of3.runtime.sources.claim import Claim
from of3.runtime.sources.damage import Damage, Note


def test_losses_that_lie_close_are_one_note_in_whatever_order_they_come():
    damage = Damage(0.04)
    for time_s in (2.0, 2.3, 2.1, 2.2, 8.0):
        damage.lost(time_s)
    assert damage.notes == [
        Note(2.0, 2.3, "damaged: 4 frames lost", 4),
        Note(8.0, 8.0, "damaged: 1 frame lost", 1),
    ]


def test_a_loss_without_a_time_is_where_the_last_frame_was():
    damage = Damage(0.04)
    damage.shown(0.5)
    damage.lost(None)
    assert damage.notes == [Note(0.5, 0.5, "damaged: 1 frame lost", 1)]


def test_a_hole_is_told_once_by_what_was_lost_in_it():
    damage = Damage(0.5)
    for time_s in (1.0, 1.5, 2.0, 2.5):
        damage.lost(time_s)
    damage.shown(0.9)
    damage.shown(2.6)
    damage.shown(5.0)
    assert [note.reason for note in damage.notes] == ["damaged: 4 frames lost", "no frames for 2.4 s"]


def test_a_header_that_disagrees_is_told():
    early, fewer, lossy, right = (Damage(1 / 30) for _ in range(4))
    early.ended(6.0, 180, Claim(10.0, 300), -inf)
    fewer.ended(9.9, 180, Claim(10.0, 300), -inf)
    lossy.lost(1.0)
    lossy.ended(10.0, 298, Claim(10.0, 300), -inf)
    right.ended(9.9, 300, Claim(10.0, 300), -inf)
    assert [note.reason for note in early.notes] == ["ends early: its header says 10.000 s"]
    assert [note.reason for note in fewer.notes] == ["its header says 300 frames: got 180"]
    assert [note.reason for note in lossy.notes] == ["damaged: 1 frame lost"]
    assert right.notes == []


def test_every_one_of_several_holes_is_told():
    damage = Damage(0.04)
    for time_s in (0.0, 0.04, 2.0, 4.0, 6.0):
        damage.shown(time_s)
    assert [(note.start_s, note.end_s) for note in damage.notes] == [(0.04, 2.0), (2.0, 4.0), (4.0, 6.0)]


def test_a_hole_is_longer_than_a_few_frames():
    lapse, stopped = Damage(2.0), Damage(2.0)
    for number in range(9):
        lapse.shown(2.0 * number)
    for time_s in (0.0, 2.0, 4.0, 12.0, 14.0):
        stopped.shown(time_s)
    assert lapse.notes == []
    assert stopped.notes == [Note(4.0, 12.0, "no frames for 8.0 s")]


def test_a_gap_near_a_loss_is_lost_with_it():
    damage = Damage(0.1)
    damage.shown(0.0)
    damage.lost(0.1)
    for time_s in (0.2, 0.3, 0.8, 0.9, 3.0):
        damage.shown(time_s)
    assert damage.notes == [
        Note(0.1, 0.7, "damaged: 5 frames lost", 5),
        Note(0.9, 3.0, "no frames for 2.1 s"),
    ]


def test_what_was_told_as_lost_is_not_counted_twice():
    damage = Damage(0.1)
    damage.shown(0.0)
    for time_s in (0.2, 0.1, 0.4, 1.7):
        damage.lost(time_s)
    damage.shown(1.6)
    damage.shown(1.8)
    assert [note.lost for note in damage.notes] == [15, 1]
    assert (damage.notes[0].start_s, damage.notes[0].end_s) == (0.1, 1.5)
