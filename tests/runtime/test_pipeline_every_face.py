"""Every face of a picture, through `Pipeline.run_faces`."""

import threading

import cv2
import numpy as np
import pytest

from of3.runtime.pipeline import Pipeline
from of3.runtime.settings import Settings
from of3.runtime.types import Analysis, Failure, Record, RunError

NO_FACE_PX = np.full((200, 300, 3), 90, np.uint8)


def pixels_of(path):
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return pixels


def noise(number, height=240, width=320):
    """Stand-ins find 2 to 21 faces in one."""
    grains = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    smooth = cv2.GaussianBlur(grains, (0, 0), 1.5).astype(np.float32)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def values(record):
    assert isinstance(record, Record)
    landmarks = np.empty(0) if record.landmarks is None else record.landmarks.ravel() / 100
    return np.concatenate([record.raw.emotion_logits, record.raw.gaze_rad, record.raw.au, landmarks])


def iou(box, other):
    a, b = np.array(box), np.array(other)
    overlap = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    return overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap)


def pasted(canvas, pixels, left, top):
    canvas[top : top + len(pixels), left : left + pixels.shape[1]] = pixels


@pytest.fixture(scope="module")
def six(faces, portrait):
    """Six faces of 100 to 254 px in one picture, and the middle of each."""
    canvas = np.full((1000, 1300, 3), 110, np.uint8)
    pictures = [pixels_of(path) for path in (*faces, *faces[:2])]
    places = [(40, 40), (400, 60), (760, 40), (60, 560), (380, 620)]
    for number, (picture, place) in enumerate(zip(pictures, places, strict=True)):
        pasted(canvas, cv2.resize(picture, None, fx=1 - number / 10, fy=1 - number / 10), *place)
    pasted(canvas, pixels_of(portrait)[:, 100:], 800, 420)
    middles = [
        (x + 112 * (1 - number / 10), y + 112 * (1 - number / 10)) for number, (x, y) in enumerate(places)
    ]
    return canvas, [*middles, (983, 690)]


def run_faces(bundle, pictures, most=0, **settings):
    with Pipeline.open(bundle, Settings(detect=True, **settings)) as pipeline:
        return list(pipeline.run_faces(pictures, most))


def test_every_face_of_a_photograph_is_found_the_best_first(real_detector, six):
    canvas, middles = six
    for resize in (1.0, "auto"):
        (found,) = run_faces(real_detector, [canvas], detector_resize=resize)
        assert (found.size_px, len(found.faces), found.failed) == ((1300, 1000), 6, ())
        for x, y in middles:
            (box,) = [
                face.box
                for face in found.faces
                if face.box[0] < x < face.box[2] and face.box[1] < y < face.box[3]
            ]
            assert 90 < box[3] - box[1] < 300
        confidences = [face.confidence for face in found.faces]
        assert confidences == sorted(confidences, reverse=True)
        assert [face.face for face in found.faces] == [0, 1, 2, 3, 4, 5]
        assert {face.faces for face in found.faces} == {6}
        assert found.best is found.faces[0]


def test_faces_that_share_batches_have_the_numbers_they_have_alone(real_detector, six, faces):
    canvas, _ = six
    pictures = [faces[0], canvas, NO_FACE_PX, canvas[:, ::-1], faces[1]]
    together = run_faces(real_detector, pictures, batch=4)
    alone = run_faces(real_detector, pictures, batch=1, parallel_runs=1)
    assert [len(found.faces) for found in together] == [1, 6, 0, 6, 1]
    for found, want in zip(together, alone, strict=True):
        for face, other in zip(found.faces, want.faces, strict=True):
            np.testing.assert_allclose(values(face), values(other), rtol=0, atol=1e-5)
            assert face.box == other.box
    with Pipeline.open(real_detector, Settings(batch=1)) as pipeline:  # cut by hand
        x1, y1, x2, y2 = (int(side) for side in np.maximum(together[1].faces[3].box, 0))
        (by_hand,) = pipeline.run([canvas[y1:y2, x1:x2]])
    np.testing.assert_allclose(values(by_hand), values(together[1].faces[3]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"landmarks": True}, marks=pytest.mark.long),
        {"landmarks": True, "batch": 3, "parallel_runs": 1},
        pytest.param({"landmarks": True, "batch": 64, "workers": 1, "memory_bytes": 1}, marks=pytest.mark.long),
        pytest.param({"landmarks": True, "detector_resize": "auto"}, marks=pytest.mark.long),
        {"best_face": "larger"},
    ],
    ids=str,
)
def test_the_best_is_what_one_face_a_picture_gives(bundle_folder, settings):
    pictures = [noise(number) for number in range(5)]
    with Pipeline.open(bundle_folder, Settings(detect=True, **settings)) as pipeline:
        one = list(pipeline.run(pictures))
        every = list(pipeline.run_faces(pictures))
    assert sum(len(found.faces) for found in every if isinstance(found, Analysis)) > 2 * len(pictures)
    for found, want in zip(every, one, strict=True):
        assert isinstance(found, Analysis) and isinstance(want, Record)
        assert found.best is not None and found.best.face == want.face
        assert (found.source, found.size_px) == (want.source, (320, 240))
        assert (want.landmarks is not None) == settings.get("landmarks", False)
        np.testing.assert_allclose(values(found.best), values(want), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", ["score", "larger"])
def test_at_most_so_many_faces_are_taken_and_the_best_is_among_them(bundle_folder, rule):
    for most in (1, 2):
        with Pipeline.open(bundle_folder, Settings(detect=True, best_face=rule)) as pipeline:
            pictures = [noise(number) for number in range(4)]
            one, some = list(pipeline.run(pictures)), list(pipeline.run_faces(pictures, most))
        for found, want in zip(some, one, strict=True):
            assert isinstance(found, Analysis) and found.best is not None and isinstance(want, Record)
            assert len(found.faces) == most
            assert found.best.face == want.face
            assert want.faces is not None and want.faces > 2


def test_a_picture_without_a_face_has_none_and_one_that_cannot_be_read_is_a_failure(
    real_detector, faces, tmp_path
):
    (tmp_path / "bad.jpg").write_text("no picture")
    bad, some, none, missing = run_faces(
        real_detector, [tmp_path / "bad.jpg", faces[0], NO_FACE_PX, tmp_path / "none.png"]
    )
    assert isinstance(bad, Failure) and (bad.stage, bad.source) == ("read", str(tmp_path / "bad.jpg"))
    assert isinstance(missing, Failure) and missing.stage == "read"
    assert len(some.faces) == 1
    assert (none.faces, none.failed, none.best, none.size_px) == ((), (), None, (300, 200))
    assert none.taken == Failure("array 2", "detect", "no face")


class Spoiled:
    """An engine in whose outputs something is changed."""

    def __init__(self, engine, output, change):
        self._engine, self._output, self._change = engine, output, change

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def start(self, batch):
        outputs = dict(self._engine.run(batch))
        outputs[self._output] = outputs[self._output].copy()
        self._change(outputs)
        return lambda: outputs


def far_away(outputs):
    """The best face's box, far beside the picture."""
    outputs["loc"][0, outputs["conf"][0, :, 1].argmax(), 0] = -1e3


def too_far_away(outputs):
    outputs["loc"][0, outputs["conf"][0, :, 1].argmax(), 0] = -1e5


def no_number(outputs):
    """The first face of each batch gets a gaze that cannot be."""
    outputs["gaze_rad"][0] = np.nan


@pytest.mark.parametrize(
    ("model", "output", "change", "stage"),
    [
        ("detector", "loc", far_away, "crop"),
        ("detector", "loc", too_far_away, "detect"),
        ("multitask", "gaze_rad", no_number, "analyse"),
    ],
)
def test_a_face_that_fails_costs_itself_only(bundle_folder, model, output, change, stage):
    with Pipeline.open(bundle_folder, Settings(detect=True, batch=128, parallel_runs=1)) as pipeline:
        (sound,) = pipeline.run_faces([noise(0)])
        engines = pipeline.networks.engines
        engines[model] = Spoiled(engines[model], output, change)  # type: ignore[assignment]
        (found,) = pipeline.run_faces([noise(0)])
        (one,) = pipeline.run([noise(0)])
    assert isinstance(found, Analysis) and isinstance(sound, Analysis)
    assert [failure.stage for failure in found.failed] == [stage]
    assert len(found.faces) >= len(sound.faces) - 1 > 1
    assert found.best is None and found.taken == found.failed[0] == one
    stay = [(face, other) for face in sound.faces for other in found.faces if other.box == face.box]
    assert len(stay) > len(sound.faces) / 2  # a box that moved may have hidden others
    for face, other in stay:
        np.testing.assert_allclose(values(face), values(other), rtol=0, atol=1e-5)


def test_without_detection_a_picture_is_its_face(bundle_folder, tmp_path):
    pictures = [noise(1), tmp_path / "none.png", noise(2)]
    for settings in (Settings(), Settings(landmarks=True), Settings(parallel_runs=1)):
        with Pipeline.open(bundle_folder, settings) as pipeline:
            one, other = list(pipeline.run(pictures)), list(pipeline.run_faces(pictures))
        assert isinstance(other[1], Failure)
        for want, found in ((one[0], other[0]), (one[2], other[2])):
            assert isinstance(found, Analysis) and found.best is not None
            assert (found.faces, found.size_px, found.best.box) == ((found.best,), (320, 240), None)
            np.testing.assert_allclose(values(found.best), values(want), rtol=0, atol=1e-5)


def test_what_a_source_raises_comes_after_the_pictures_it_gave(bundle_folder):
    def broken():
        yield from (noise(number) for number in range(5))
        raise OSError("the camera was unplugged")

    found: list[Analysis | Failure] = []
    with Pipeline.open(bundle_folder, Settings(detect=True, batch=4)) as pipeline:
        with pytest.raises(OSError, match="unplugged"):
            found.extend(pipeline.run_faces(broken()))
        given_up = pipeline.run_faces(noise(number) for number in range(9))
        assert isinstance(next(given_up), Analysis)
        del given_up
        assert len(list(pipeline.run_faces([noise(0)]))) == 1
    assert [each.source for each in found] == [f"array {number}" for number in range(5)]
    with pytest.raises(RunError, match="closed"):
        list(pipeline.run_faces([noise(0)]))


def test_pictures_come_whole_and_in_order_through_a_step_on_threads(bundle_folder):
    threads, frames = set(), [(number, noise(number)) for number in range(12)]

    def counted(results):
        threads.add(threading.current_thread().name)
        return [(key, len(found.faces)) for key, found in results]

    def broken(results):
        if any(key >= 8 for key, _ in results):
            raise OSError("the disk is full")
        return [key for key, _ in results]

    with Pipeline.open(bundle_folder, Settings(detect=True, batch=4)) as pipeline:
        want = counted(pipeline.run_faces_keyed(frames))
        threads.clear()
        got = [each for some in pipeline.run_faces_batches(frames, counted) for each in some]
        done: list[int] = []
        with pytest.raises(OSError, match="the disk is full"):
            done.extend(key for some in pipeline.run_faces_batches(frames, broken) for key in some)
    assert got == want and [key for key, _ in got] == list(range(12))
    assert max(count for _, count in got) > 4, "no picture lies across batches: the test shows nothing"
    assert threads and threading.current_thread().name not in threads
    assert done == list(range(len(done))) and 4 <= len(done) <= 8


@pytest.mark.parametrize(
    "k", [1, 2, 4, *(pytest.param(k, marks=pytest.mark.long) for k in (1.5, 3, 5, 6, 7, 8))]
)
def test_a_face_of_any_size_is_found_where_it_is(real_detector, portrait, k):
    pixels = pixels_of(portrait)
    (true,) = run_faces(real_detector, [pixels])
    enlarged = cv2.resize(pixels, None, fx=k, fy=k, interpolation=cv2.INTER_CUBIC)
    (found,) = run_faces(real_detector, [enlarged], detector_resize="auto")
    assert iou(found.best.box, np.array(true.best.box) * k) > 0.9
    assert max(iou(face.box, found.best.box) for face in (*found.faces[1:], true.best)) < 0.4 or k == 1


def test_small_faces_in_a_large_picture_are_still_found(real_detector, portrait, faces):
    canvas, pixels = np.full((1500, 2000, 3), 110, np.uint8), pixels_of(portrait)
    pasted(canvas, cv2.resize(pixels, None, fx=2, fy=2), 100, 200)  # its face is 508 px
    small = cv2.resize(pixels, None, fx=24 / 254, fy=24 / 254, interpolation=cv2.INTER_AREA)
    places = [(1500, 100), (1700, 700), (40, 1400)]
    for place in places:
        pasted(canvas, small, *place)
    (found,) = run_faces(real_detector, [canvas], detector_resize="auto")
    sides = sorted(face.box[3] - face.box[1] for face in found.faces)
    assert len(sides) == 4
    assert all(18 < side < 30 for side in sides[:3]) and 450 < sides[3] < 560
