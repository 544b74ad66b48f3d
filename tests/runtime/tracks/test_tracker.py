"""Who keeps which id, on scenes whose faces move by formulas."""

from dataclasses import dataclass

import numpy as np
import pytest

from of3.runtime.tracks.tracker import Tracker


def face(x, y, side):
    """A box as the detector gives them, higher than wide."""
    return np.array([x - side / 2, y - side * 0.6, x + side / 2, y + side * 0.6])


@dataclass(frozen=True)
class Detector:
    """What is seen of a scene: boxes that shake, faces that are missed, none behind another."""

    shake: float = 0.0  # of the face's side
    missed: float = 0.0
    seed: int = 0

    def frames(self, scene, seconds, fps):
        """(time, [(person, box)]), in no order.  scene: time -> the same, the nearest first."""
        chance = np.random.default_rng(self.seed)
        for number in range(int(seconds * fps)):
            people, seen = scene(number / fps), []
            for index, (person, box) in enumerate(people):
                is_hidden = any(overlap(box, nearer) > 0.35 for _, nearer in people[:index])
                if not is_hidden and chance.random() >= self.missed:
                    seen.append((person, box + chance.normal(0, self.shake * (box[2] - box[0]), 4)))
            yield number / fps, [seen[index] for index in chance.permutation(len(seen))]


def overlap(one, other):
    common = np.prod(np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None))
    return common / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - common)


def ids_of(frames, tracker=None, cuts=()):
    """The ids of each person, in the order in which they had them."""
    tracker = tracker or Tracker()
    found: dict[int, list[int]] = {}
    for time_s, seen in frames:
        ids = tracker.ids([box for _, box in seen], time_s, is_cut=time_s in cuts)
        assert len(set(ids)) == len(seen)
        for (person, _), face_id in zip(seen, ids, strict=True):
            had = found.setdefault(person, [])
            if not had or had[-1] != face_id:
                had.append(face_id)
    return found


def crossing(time_s):
    return [(0, face(100 + 300 * time_s, 300, 120)), (1, face(1100 - 300 * time_s, 310, 110))]


def crossing_aslant(time_s):
    return [
        (0, face(300 + 150 * time_s, 200 + 80 * time_s, 100)),
        (1, face(900 - 150 * time_s, 200 + 80 * time_s, 90)),
    ]


def passing_fast(time_s):
    return [(0, face(100 + 600 * time_s, 300, 120)), (1, face(1100 - 600 * time_s, 300, 110))]


def alike(time_s):
    return [
        (0, face(400 + 20 * np.sin(3 * time_s), 300, 150)),
        (1, face(520 + 20 * np.sin(2 * time_s + 1), 305, 150)),
    ]


def waving(time_s):
    return [(0, face(640 + 250 * np.sin(3 * time_s), 300, 120))]  # six of its sizes a second


def coming_near(time_s):
    return [(0, face(640, 300, 60 * 2**time_s)), (1, face(200, 300, 80))]


def crowd(time_s):
    x, y = np.meshgrid(np.arange(5) * 220 + 150, np.arange(4) * 160 + 120)
    sway = 25 * np.sin(2 * time_s + np.arange(20))
    return [(person, face(x.flat[person] + sway[person], y.flat[person], 50)) for person in range(20)]


SCENES = {
    "crossing": (crossing, 3.3),
    "crossing aslant": (crossing_aslant, 4),
    "passing fast": (passing_fast, 1.6),
    "two alike side by side": (alike, 6),
    "waving": (waving, 4),
    "coming near": (coming_near, 3),
    "crowd": (crowd, 4),
}


@pytest.mark.parametrize("fps", [30, 10, 5])
@pytest.mark.parametrize("detector", [Detector(), Detector(0.02, 0.05, 1), Detector(0.02, 0.05, 2)])
@pytest.mark.parametrize("name", SCENES)
def test_everybody_keeps_one_id(name, detector, fps):
    scene, seconds = SCENES[name]
    found = ids_of(detector.frames(scene, seconds, fps))
    assert all(len(ids) == 1 for ids in found.values()), found
    assert sorted(ids[0] for ids in found.values()) == list(range(len(found)))


@pytest.mark.parametrize("away_s", [0.5, 0.9])
def test_who_comes_back_within_the_gap_is_known(away_s):
    found = ids_of(Detector(0.02).frames(leaving(away_s), 4, 30))
    assert {person: len(ids) for person, ids in found.items()} == {0: 1, 1: 1}


@pytest.mark.parametrize("away_s", [1.1, 2])
def test_who_comes_back_later_is_new(away_s):
    found = ids_of(Detector(0.02).frames(leaving(away_s), 4, 30))
    assert {person: len(ids) for person, ids in found.items()} == {0: 1, 1: 2}
    assert found[1][1] == 2


def leaving(away_s):
    """The second leaves the picture at its edge after a second, and comes back there."""

    def scene(time_s):
        stays = [(0, face(300, 300, 120))]
        if time_s < 1:
            return [*stays, (1, face(1000 + 200 * time_s, 310, 100))]
        if time_s < 1 + away_s:
            return stays
        return [*stays, (1, face(1200 - 200 * (time_s - 1 - away_s), 310, 100))]

    return scene


def test_a_gap_is_as_long_as_it_is_set():
    assert len(ids_of(Detector().frames(leaving(2), 4, 30), Tracker(gap_s=2.5))[1]) == 1


@pytest.mark.parametrize("gap_s", [0, 1])
@pytest.mark.parametrize("step_s", [30 * 1001 / 30000, 2, 3600])
def test_who_is_in_the_frame_before_was_not_away_however_long_ago_that_was(step_s, gap_s):
    frames = [(number * step_s, crowd(number)) for number in range(8)]
    assert ids_of(frames, Tracker(gap_s)) == {person: [person] for person in range(20)}


@pytest.mark.parametrize(("gap_s", "ids"), [(1.0, [0, 1]), (4.0, [0])])
def test_who_is_not_in_the_frame_before_is_away_since_the_last(gap_s, ids):
    here = [(0, face(300, 300, 120))]
    frames = [(0.0, here), (2.0, here), (4.0, []), (6.0, here), (8.0, here)]
    assert ids_of(frames, Tracker(gap_s))[0] == ids


def test_who_can_come_again_is_known_and_nobody_else():
    tracker, known = Tracker(gap_s=1), []
    for time_s, boxes in [(0.0, [face(300, 300, 120)]), (0.9, []), (2.0, []), (2.1, [face(300, 300, 120)])]:
        tracker.ids(boxes, time_s)
        known.append(tracker.known)
    assert known == [{0}, {0}, set(), {1}]
    tracker.ids([], 2.2, is_cut=True)
    assert tracker.known == set()


def test_who_comes_in_elsewhere_is_somebody_else():
    def scene(time_s):
        return [(0, face(200, 300, 100))] if time_s < 1 else [(1, face(700, 300, 100))]

    assert ids_of(Detector().frames(scene, 2, 30)) == {0: [0], 1: [1]}


def test_a_much_smaller_face_in_the_same_place_is_somebody_else():
    def scene(time_s):
        return [(0, face(400, 300, 240))] if time_s < 1 else [(1, face(400, 300, 80))]

    assert ids_of(Detector().frames(scene, 2, 30)) == {0: [0], 1: [1]}


def test_nobody_is_known_behind_a_cut_and_no_id_comes_again():
    found = ids_of(Detector().frames(alike, 3, 10), cuts={1.0, 2.0})
    assert {person: len(ids) for person, ids in found.items()} == {0: 3, 1: 3}
    assert sorted(face_id for ids in found.values() for face_id in ids) == list(range(6))


def test_frames_without_faces_are_none_of_anybody():
    tracker = Tracker()
    assert tracker.ids([], 0.0) == []
    assert tracker.ids(np.zeros((0, 4), np.float32), 0.1) == []
    assert tracker.ids([face(100, 100, 50)], 0.2) == [0]
    assert tracker.ids([], 0.3) == []
    assert tracker.ids([face(102, 100, 50)], 0.4) == [0]


def test_ids_of_one_frame_are_in_the_order_of_its_boxes():
    boxes = [face(500, 100, 50), face(100, 100, 50), face(300, 100, 50)]
    tracker = Tracker()
    assert tracker.ids(boxes, 0.0) == [0, 1, 2]
    assert tracker.ids(boxes[::-1], 0.1) == [2, 1, 0]


def test_the_same_boxes_get_the_same_ids():
    frames = list(Detector(0.05, 0.2, 3).frames(crowd, 4, 10))
    first, second = Tracker(), Tracker()
    for time_s, seen in frames:
        boxes = [box for _, box in seen]
        assert first.ids(boxes, time_s) == second.ids(boxes, time_s)


def test_boxes_without_extent_are_tracked_too():
    tracker = Tracker()
    assert tracker.ids([[5, 5, 5, 5], [90, 5, 80, 5]], 0.0) == [0, 1]
    assert tracker.ids([[5, 5, 5, 5], [90, 5, 80, 5]], 0.1) == [0, 1]


@pytest.mark.parametrize(
    ("boxes", "time_s", "said"),
    [
        ([[0, 0, 1]], 2.0, r"got boxes \(1, 3\), want finite numbers \(N,4\)"),
        ([[0, 0, 1, np.nan]], 2.0, "want finite numbers"),
        ([[0, 0, 1, 1]], 1.0, r"got a frame at 1.0 s, want it after that at 1.0 s"),
        ([[0, 0, 1, 1]], np.nan, "got a frame at nan s"),
    ],
)
def test_what_cannot_be_followed_is_refused(boxes, time_s, said):
    tracker = Tracker()
    tracker.ids([[0, 0, 1, 1]], 1.0)
    with pytest.raises(ValueError, match=said):
        tracker.ids(boxes, time_s)
