"""Logs of runs that never were: drawn faces, made-up numbers, failures and odd names; of any size.

For the tests of `of3 report`, its measurements and its picture in the documentation.
"""

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from of3.export.pictures import draw_face
from of3.runtime.bundle import documented_order
from of3.runtime.logs import folder as folders
from of3.runtime.logs.columns import EMOTIONS, UNITS
from of3.runtime.logs.folder import FOLDER, Mode, RunLogs
from of3.runtime.logs.frames import VideoItem
from of3.runtime.logs.items import Item, Stamp, stamp_of
from of3.runtime.logs.made import OutputNames, Run, Session
from of3.runtime.logs.rows import Layout, Result, RowOptions
from of3.runtime.logs.video import FACTS, FINISHED, VideoLogs, named, place_of
from of3.runtime.types import Analysis, Failure, Floats, Moment, RawValues, Record, SeenFrame
from of3.runtime.vision.canonical_face import FACE_MM, POINTS
from of3.runtime.vision.detect import NO_FACE
from of3.runtime.vision.pose import Camera, HeadPose, projected

NAMES = OutputNames(EMOTIONS, ("yaw", "pitch"), documented_order(UNITS))
SIZE_PX = (640, 480)
RATE = 30  # frames/s
LAYOUT = Layout("made.csv", ("frame",), ",")
FOLLOWING = {"fx": 0, "fy": 0, "cx": 0, "cy": 0, "track_gap": 1.0, "smooth": 0.0, "head_pose": True}
MADE = {
    "versions": {"of3": "0.2.0", "numpy": np.__version__},
    "bundle": {
        "folder": "of3_bundle",
        "sha256": "0" * 64,
        "stand_in": True,
        "weights": {"MTL_backbone.pth": "stand-in"},
    },
    "gaze": ["yaw", "pitch"],
    "engines": {
        "multitask": {
            "runs": "onnxruntime CPU fp32",
            "kind": "cpu",
            "precision": "fp32",
            "batches": {},
            "refused": [{"engine": "tensorrt", "reason": "no NVIDIA GPU here"}],
        }
    },
}


@dataclass(frozen=True, slots=True)
class Seed:
    """What one face is made up of.  at: of the middle of its box, in px."""

    number: int
    at: tuple[float, float] = (320.0, 240.0)
    side_px: float = 160.0
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    openness: float = 0.3  # of the eyes

    def record(self, source: str, rank: int = 0, faces: int = 1, has_landmarks: bool = True) -> Record:
        chance = np.random.default_rng(self.number)
        logits = chance.normal(0, 1.5, 8).astype(np.float32)
        shares = np.exp(logits) / np.exp(logits).sum()
        au = chance.beta(1 + np.arange(8) / 4, 4).astype(np.float32)
        gaze = (chance.normal(0, 1, 2) * (0.3, 0.15)).astype(np.float32)
        return Record(
            source,
            EMOTIONS[int(logits.argmax())],
            dict(zip(EMOTIONS, shares.tolist(), strict=True)),
            dict(zip(NAMES.gaze, gaze.tolist(), strict=True)),
            dict(zip(UNITS, au.tolist(), strict=True)),
            RawValues(logits, gaze, au),
            box=self.box,
            confidence=float(chance.beta(20, 1) / 2 + 0.5),
            landmarks=self.landmarks() if has_landmarks else None,
            points=self._points(),
            faces=faces,
            face=rank,
            size_px=SIZE_PX,
        )

    @property
    def box(self) -> tuple[float, float, float, float]:
        (x, y), half = self.at, self.side_px / 2
        return x - half, y - half, x + half, y + half

    def _points(self) -> Floats:
        """A turned head's nose goes to one side."""
        nose = 0.5 + 0.25 * math.sin(math.radians(self.pose_deg[1]))
        places = np.array([[0.3, 0.4], [0.7, 0.4], [nose, 0.6], [0.35, 0.8], [0.65, 0.8]])
        return (places * self.side_px + self.box[:2]).astype(np.float32)

    def landmarks(self) -> Floats:
        """(98,2): as the mean head has them, the eyes so far open; those that nobody looks at anywhere."""
        camera = Camera.of(*SIZE_PX)
        distance_mm = camera.fx_px * 150 / self.side_px
        x_mm, y_mm = (
            (at - half / 2) / camera.fx_px * distance_mm for at, half in zip(self.at, SIZE_PX, strict=True)
        )
        turn = [math.radians(each) for each in self.pose_deg]
        pose = HeadPose((x_mm, y_mm, distance_mm), (turn[0], turn[1], turn[2]), 0.0)
        found = np.full((98, 2), self.at, np.float32)
        found[list(POINTS)] = projected(FACE_MM, pose, camera)
        for first in (60, 68):
            left, right = found[first], found[first + 4]
            width = float(np.hypot(*(right - left)))
            for number, share in ((1, 0.25), (2, 0.5), (3, 0.75), (5, 0.75), (6, 0.5), (7, 0.25)):
                up = -1 if number < 4 else 1
                found[first + number] = left + share * (right - left) + (0, up * width * self.openness / 2)
        return found


def results(places: Sequence[str]) -> Iterator[tuple[Item, Result]]:
    """Every tenth picture fails, for one of two reasons; some faces are tiny, turned away or near the edge."""
    for number, path in enumerate(places):
        item = Item(path, stamp_of(path))
        if number % 10 == 9:
            yield (
                item,
                Failure(path, *(("detect", NO_FACE) if number % 20 == 9 else ("read", "unreadable: empty"))),
            )
            continue
        chance = np.random.default_rng(number)
        seed = Seed(
            number, side_px=20 if number % 50 == 3 else 160, pose_deg=tuple(chance.normal(0, 15, 3).tolist())
        )
        if number % 50 == 4:
            seed = replace(seed, at=(60, 240))
        record = seed.record(path)
        yield item, Analysis(path, SIZE_PX, (record,), (), record)


def drawn(folder: Path, names: Sequence[str]) -> list[str]:
    """Pictures of a face each, in the middle; their paths."""
    for number, name in enumerate(names):
        canvas = np.full((SIZE_PX[1], SIZE_PX[0], 3), 90, np.uint8)
        canvas[112:368, 192:448] = draw_face(number)
        (folder / name).write_bytes(cv2.imencode(".jpg", canvas)[1].tobytes())
    return [os.path.join(folder, name) for name in names]


def write_pictures(logs: Path, places: Sequence[str]) -> None:
    """places: paths of pictures; those that are not there have no thumbnail."""
    run = Run({"flags": {}}, RowOptions(per_image=False, points=98), str(Path(places[0]).parent), NAMES, {})
    folder = logs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    folders.COMMIT_EVERY_S = math.inf
    with RunLogs(folder, run, Mode()) as opened:
        for item, result in results(places):
            opened.add(opened.entries([(item, result)]))
        opened.note_session(Session(MADE, 0.0, 1.0))
        opened.finish()


def frames(path: str, count: int, people: int) -> Iterator[SeenFrame]:
    """People beside each other, of whom all but the first are away for half a second in five; they blink."""
    for number in range(count):
        time_s = number / RATE
        there = _there(number, people)
        faces = tuple(
            _smooth(_moved(number, person, people).record(path, rank, len(there)), number, person)
            for rank, person in enumerate(there)
        )
        failure = None if faces else Failure(path, "detect", NO_FACE)
        yield SeenFrame(Moment(number, time_s, "pts"), faces, failure)


def _there(number: int, people: int) -> list[int]:
    """Who is in a frame."""
    time_s = number / RATE
    return [person for person in range(people) if person == 0 or (time_s + person) % 5 > 0.5]


def _moved(number: int, person: int, people: int) -> Seed:
    time_s = number / RATE
    turn = math.sin(time_s + person)
    is_shut = (time_s + 0.7 * person) % 2 < 0.15 and time_s > 1
    return Seed(
        person,
        at=(SIZE_PX[0] * (person + 0.5) / people + 10 * turn, 240),
        side_px=120,
        pose_deg=(5 * turn, 25 * turn, 5 * math.cos(time_s)),
        openness=0.05 if is_shut else 0.3,
    )


def _smooth(face: Record, number: int, person: int) -> Record:
    """The same with numbers that move with time."""
    waves = (0.5 + 0.45 * np.sin(number / 40 + np.arange(8) + 2 * person)).astype(np.float32)
    gaze = np.array([0.3 * math.sin(number / 25), 0.1 * math.cos(number / 35)], np.float32)
    logits = (2.5 * np.sin(number / 60 + 0.8 * np.arange(8) + person)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum()
    return replace(
        face,
        emotion=EMOTIONS[int(logits.argmax())],
        probabilities=dict(zip(EMOTIONS, shares.tolist(), strict=True)),
        aus=dict(zip(UNITS, waves.tolist(), strict=True)),
        gaze_rad=dict(zip(NAMES.gaze, gaze.tolist(), strict=True)),
        raw=RawValues(logits, gaze, waves),
    )


def film(path: Path, count: int, people: int = 3) -> str:
    """The video that the frames are of, with drawn faces; its path.  Needs the extra video."""
    import av

    drawings = [draw_face(person, 150) for person in range(people)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        for number in range(count):
            canvas = np.full((SIZE_PX[1], SIZE_PX[0], 3), 90, np.uint8)
            for person in _there(number, people):
                left, top = (round(middle) - 75 for middle in _moved(number, person, people).at)
                canvas[top : top + 150, left : left + 150] = drawings[person]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="bgr24")))
        container.mux(stream.encode(None))
    return str(path)


def write_video(logs: Path, path: str, stem: str, count: int, people: int = 3) -> None:
    """path: of a video, which need not be there."""
    run = Run({"flags": {}, "video": FOLLOWING}, RowOptions(per_image=False, points=98), "", NAMES, {})
    folder = logs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    place = place_of(folder, stem)
    with VideoLogs(place, VideoItem(path, _stamp(path)), run, LAYOUT, True, None) as opened:
        for frame in frames(path, count, people):
            opened.add(frame, b"")
        opened.note_session(Session({**MADE, FINISHED: True}, 0.0, 1.0))
        opened.finish()
    facts = {
        "path": path,
        "finished": True,
        "duration_s": count / RATE,
        "faces": count * people,
        "flags": FOLLOWING,
    }
    named(place, FACTS).write_text(json.dumps(facts), "utf-8")


def _stamp(path: str) -> Stamp:
    found = stamp_of(path)
    return found if found.size else Stamp(1, 1)


def main(argv: Sequence[str]) -> int:
    """`python -m tools.made_logs DIR`: pictures and a video, and the logs of each, below a folder."""
    pictures, video = Path(argv[0], "pictures"), Path(argv[0], "video")
    for folder in (pictures, video):
        folder.mkdir(parents=True)
    write_pictures(pictures / "logs", drawn(pictures, [f"face_{number:03d}.jpg" for number in range(200)]))
    write_video(video / "logs", film(video / "three.mp4", 900), "three", 900)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
