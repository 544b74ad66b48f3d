"""What a user writes against the public names, as mypy and pyright see it, both strict: tests/test_types.py."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import of3


def pictures(folder: Path) -> Iterator[of3.Picture]:
    yield from sorted(folder.glob("*.jpg"))
    yield (folder / "a.png").read_bytes()
    yield np.zeros((720, 1280, 3), np.uint8)
    yield lambda: np.zeros((720, 1280, 3), np.uint8)


def smiles(pipeline: of3.Pipeline, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for result in pipeline.run(pictures(folder)):
        if isinstance(result, of3.Failure):
            print(result.source, result.stage, result.reason)
            continue
        found[result.source] = result.aus[12] + result.probabilities["happy"] + result.gaze_rad["yaw"]
    return found


def widths_px(pipeline: of3.Pipeline, pixels: NDArray[np.uint8]) -> list[float]:
    (result,) = pipeline.run_faces(pixels, most=3)
    if isinstance(result, of3.Failure):
        return []
    boxes = [face.box for face in result.faces if face.box is not None]
    points: list[NDArray[np.float32]] = [face.landmarks for face in result.faces if face.landmarks is not None]
    return [box[2] - box[0] for box in boxes] + [float(each[:, 0].max()) for each in points]


def by_key(pipeline: of3.Pipeline, paths: dict[int, Path]) -> dict[int, of3.Record | of3.Failure]:
    return dict(pipeline.run_keyed(paths.items()))


def seconds_of(pipeline: of3.Pipeline, video: Path) -> Iterator[tuple[float, int, str]]:
    following = of3.Following(camera=of3.Camera.of(1280, 720))
    for frame in of3.watch(pipeline, video, of3.Watching(fps=5.0), following):
        for face in frame.faces:
            pose: of3.HeadPose | None = face.found.pose
            yield frame.moment.time_s, face.face_id, face.record.emotion if pose is None else "posed"


def means(logs: Path) -> dict[str, float]:
    with of3.open_records(logs) as records:
        every: list[of3.Record | of3.Failure] = list(records)
        columns = records.columns()
        return {"au12": float(np.nanmean(columns["au12"])), "pictures": float(len(every))}


def main() -> int:
    settings = of3.Settings(device="cpu", detect=True, detector_resize="auto")
    try:
        with of3.Pipeline.open(Path("weights/of3_bundle"), settings) as pipeline:
            print(of3.__version__, smiles(pipeline, Path("in")), pipeline.batches())
    except (of3.BundleError, of3.EngineUnavailable) as error:
        print(error)
        return 2
    except of3.Error:
        return 1
    return 0
