"""What the tables and per-image files hold.  Other scripts depend on columns, order and formats."""

import json
import os
from dataclasses import dataclass

from of3.runtime.logs.tables import Layout
from of3.runtime.types import Failure, Floats, Record

# fmt: off
CSV_COLUMNS = [
    "path", "file", "pose_yaw", "pose_pitch", "eyes", "mouth", "smile", "teeth", "emotion", "emotion_conf",
    "au12", "au25", "au26", "au45", "confidence", "success",
]
FULL_COLUMNS = [
    "path", "file", "pose_yaw", "pose_pitch", "emotion_topk",
    "au1", "au2", "au4", "au6", "au9", "au12", "au25", "au26",
]
# fmt: on
ROWS = Layout("openface3.csv", tuple(CSV_COLUMNS), ",")
ERRORS = Layout("errors.tsv", ("path", "stage", "reason"), "\t")
FULL = Layout("openface3_full.csv", tuple(FULL_COLUMNS), ",")
TSV_COLUMNS = ["gaze_yaw", "gaze_pitch", "AU_vec", "emotion_logits"]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """What is written of a picture, and by which thresholds."""

    th_smile: float = 0.5
    th_mouth: float = 0.5
    per_image: bool = True
    extra_csv: bool = False
    csv_emotion_topk: int = 0
    landmarks_fmt: str = "json"  # or "pts", "both"

    @property
    def layouts(self) -> list[Layout]:
        return [ROWS, ERRORS] + [FULL] * self.extra_csv


def table_rows(result: Record | Failure, options: RowOptions) -> list[list[list[str]]]:
    """A picture's rows of each table, in the order of the layouts."""
    if isinstance(result, Failure):
        each = [[failure_row(result)], [[result.source, result.stage, result.reason]], []]
    else:
        damage = [[result.source, "read", f"damaged: {result.damage}"]] if result.damage else []
        each = [[record_row(result, options)], damage, [full_row(result, options.csv_emotion_topk)]]
    return each[: len(options.layouts)]


def file_texts(record: Record, options: RowOptions) -> dict[str, str]:
    """A picture's files, by what comes after their stem."""
    texts = {".tsv": tsv_text(record)} if options.per_image else {}
    if record.landmarks is not None:
        makers = {"json": json_text, "pts": pts_text}
        formats = tuple(makers) if options.landmarks_fmt == "both" else (options.landmarks_fmt,)
        texts |= {f".landmarks.{name}": makers[name](record.landmarks) for name in formats}
    return texts


def failure_row(failure: Failure) -> list[str]:
    empty = [""] * (len(CSV_COLUMNS) - 3)
    return [failure.source, os.path.basename(failure.source), *empty, "0"]


def record_row(record: Record, options: RowOptions) -> list[str]:
    aus = record.aus
    is_smiling = aus[12] >= options.th_smile
    is_open = max(aus[25], aus[26]) >= options.th_mouth
    return [
        record.source,
        os.path.basename(record.source),
        *_pose(record),
        "",  # eyes: nothing measures them
        "open" if is_open else "closed",
        "smile" if is_smiling else "neutral",
        "likely" if is_smiling and is_open else "",
        record.emotion,
        f"{record.probabilities[record.emotion]:.4f}",
        *(f"{aus[au]:.4f}" for au in (12, 25, 26)),
        "",  # au45: not one of the eight
        "" if record.confidence is None else f"{record.confidence:.4f}",
        "1",
    ]


def full_row(record: Record, topk: int) -> list[str]:
    ranked = sorted(record.probabilities.items(), key=lambda item: -item[1])[:topk]
    return [
        record.source,
        os.path.basename(record.source),
        *_pose(record),
        ",".join(f"{label}:{probability:.4f}" for label, probability in ranked),
        *(f"{record.aus[int(column[2:])]:.4f}" for column in FULL_COLUMNS[5:]),
    ]


def _pose(record: Record) -> list[str]:
    return [f"{record.gaze_rad['yaw']:.3f}", f"{record.gaze_rad['pitch']:.3f}"]


def tsv_text(record: Record) -> str:
    raw = record.raw
    gaze = [f"{record.gaze_rad[name]:.6f}" for name in ("yaw", "pitch")]
    cells = [*gaze, _joined(raw.au), _joined(raw.emotion_logits)]
    return "\t".join(TSV_COLUMNS) + "\n" + "\t".join(cells) + "\n"


def _joined(values: Floats) -> str:
    return ",".join(f"{value:.6f}" for value in values.tolist())


def json_text(points: Floats) -> str:
    return json.dumps({"points": [[round(x, 3), round(y, 3)] for x, y in points.tolist()]}) + "\n"


def pts_text(points: Floats) -> str:
    lines = [f"{x:.3f} {y:.3f}" for x, y in points.tolist()]
    return "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}"]) + "\n"
