"""What is told of losses."""

from of3.runtime.sources.damage import Damage, Note


def test_losses_that_lie_close_are_one_note_in_whatever_order_they_come():
    damage = Damage()
    for time_s in (2.0, 2.3, 2.1, 2.2, 8.0):
        damage.lost(time_s)
    assert damage.notes == [
        Note(2.0, 2.3, "damaged: 4 frames lost", 4),
        Note(8.0, 8.0, "damaged: 1 frame lost", 1),
    ]


def test_a_loss_without_a_time_is_where_the_last_frame_was():
    damage = Damage()
    damage.shown(0.5)
    damage.lost(None)
    assert damage.notes == [Note(0.5, 0.5, "damaged: 1 frame lost", 1)]


def test_a_hole_is_told_once_by_what_was_lost_in_it():
    damage = Damage()
    for time_s in (1.0, 1.5, 2.0, 2.5):
        damage.lost(time_s)
    damage.shown(0.9)
    damage.shown(2.6)
    damage.shown(5.0)
    assert [note.reason for note in damage.notes] == ["damaged: 4 frames lost", "no frames for 2.4 s"]


def test_a_header_that_disagrees_is_told():
    early, fewer, lossy, right = Damage(), Damage(), Damage(), Damage()
    early.ended(6.0, 180, 10.0, 300)
    fewer.ended(9.9, 180, 10.0, 300)
    lossy.lost(1.0)
    lossy.ended(10.0, 298, 10.0, 300)
    right.ended(9.9, 300, 10.0, 300)
    assert [note.reason for note in early.notes] == ["ends early: its header says 10.000 s"]
    assert [note.reason for note in fewer.notes] == ["its header says 300 frames: got 180"]
    assert [note.reason for note in lossy.notes] == ["damaged: 1 frame lost"]
    assert right.notes == []
