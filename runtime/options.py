"""Every flag of a run as one frozen record, which the parser, its help and a run's identity are made of."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from of3.engines.registry import CHOICES, PRECISIONS
from of3.runtime.settings import MAX_PIXELS, Faces, Resize

# Groups of the help text, in its order; the first three stand under one title.
GROUPS = {
    "files": "input / IO",
    "reading": "input / IO",
    "weights": "input / IO",
    "compute": "runtime / compute",
    "scale": "many cores, GPUs, machines (such a run is the same when repeated)",
    "detection": "detection",
    "behaviour": "thresholds & behaviour",
    "extras": "extras",
}
# What stands first in the help text.
COMMON = (
    *("aligned", "logs", "of3_root", "device", "skip_detect", "faces", "landmarks", "extra_csv"),
    *("override", "resume", "executor"),
)


@dataclass(frozen=True, slots=True)
class Flag:
    """How an option is asked for.  parse: a reader of `of3.runtime.commands.arguments`, by name."""

    group: str
    text: str
    parse: str = "text"
    default: Any = None
    metavar: str = ""
    choices: tuple[str, ...] = ()
    alone: Any = None  # what the flag means without a value; None: it wants one
    matters: bool = True  # whether a picture's rows depend on it, or else only where, how fast, from when


def flag(group: str, text: str, parse: str = "text", default: Any = None, **more: Any) -> Any:
    return field(metadata={"flag": Flag(group, text, parse, default, **more)})


def switch(group: str, text: str, default: bool | None, matters: bool = True) -> Any:
    return flag(group, text, "on_off", default, matters=matters)


@dataclass(frozen=True, slots=True)
class Options:
    """Every flag, defaults filled in.

    executor: "" is this process.  ray_address: "" is a cluster of this run's own.  shard: which of how many,
    None for all.  batch, workers, memory, shard_size: 0 is auto.
    """

    aligned: str = flag("files", "images to process, searched recursively (required)", metavar="DIR")
    suffixes: str = flag(
        "files",
        "take files that end so, in any case (jpg,jpeg,png,webp,bmp)",
        "suffixes",
        "jpg,jpeg,png,webp,bmp",
        metavar="A,B,...",
        matters=False,
    )
    follow_links: bool = switch("files", "search folders that links lead to, each once", False, False)
    logs: Path = flag("files", "log root (required)", metavar="DIR", matters=False)
    of3_root: Path = flag("weights", "OpenFace-3.0 folder (required)", metavar="DIR", matters=False)
    weights: Path = flag("weights", "weights (<of3_root>/weights)", metavar="DIR", matters=False)
    bundle: Path = flag("weights", "exported bundle (<weights>/of3_bundle)", metavar="DIR", matters=False)
    override: bool = flag("files", "start the tables anew instead of appending", "present", matters=False)
    resume: bool = switch(
        "files", "go on with the run in --logs: pictures it has done are skipped", False, False
    )
    retry_failed: bool = switch("files", "go on, and repeat the pictures that failed", False, False)
    device: str = flag(
        "compute", "cuda falls back to cpu, saying why (cuda)", default="cuda", choices=("cuda", "cpu")
    )
    engine: str = flag(
        "compute",
        "best to begin with; those after it take over, saying why (auto: the best that opens)",
        "engine",
        "auto",
        metavar="|".join(CHOICES),
    )
    require: bool = flag(
        "compute", "no taking over: the engine asked for (auto: the best), or exit 2", "present", matters=False
    )
    amp: bool = switch("compute", "mixed precision; with --device cpu bf16 only (on if cuda)", None)
    dtype: str = flag("compute", "precision with --amp on (bf16)", default="bf16", choices=PRECISIONS)
    tf32: bool = switch("compute", "TF32 matrix products; GPU only", True)
    max_pixels: int = flag(
        "reading",
        f"larger pictures fail before they are decoded ({MAX_PIXELS})",
        "count",
        MAX_PIXELS,
        metavar="N",
    )
    reject_damaged: bool = switch("reading", "damaged JPEGs fail, even where they can be decoded", False)
    batch: int = flag("compute", "faces per network run (auto)", "count_or_auto", 0, matters=False)
    workers: int = flag(
        "compute",
        "decoding threads (auto: one a core); with --executor processes (auto: to feed a GPU, or one a core)",
        "count_or_auto",
        0,
        matters=False,
    )
    memory: int = flag(
        "compute",
        "for pictures under way, in each process; a larger one goes alone (auto: a quarter of all, 2G at most)",
        "bytes_or_auto",
        0,
        metavar="N[K|M|G]|auto",
        matters=False,
    )
    executor: str = flag(
        "scale",
        "local: --workers processes on this machine; ray: on the machines of a Ray cluster (this process)",
        default="",
        choices=("local", "ray"),
        matters=False,
    )
    ray_address: str = flag(
        "scale",
        "auto, or HOST:PORT (a cluster of this run's own)",
        default="",
        metavar="ADDRESS",
        matters=False,
    )
    shard: tuple[int, int] | None = flag(
        "scale",
        "do the i-th of n shares only; then `of3 merge` (all, merged)",
        "share",
        metavar="i/n",
        matters=False,
    )
    shard_size: int = flag("scale", "pictures of a shard (auto)", "count_or_auto", 0, matters=False)
    skip_detect: bool = switch(
        "detection", "take every image as a face crop (on; with --faces all or N off)", None
    )
    faces: Faces = flag(
        "detection",
        "all, or the N best: every face has its row in openface3_faces.csv besides (best: of each image one)",
        "faces",
        "best",
        metavar="best|all|N",
    )
    detector_resize: Resize = flag(
        "detection",
        "resize the detector's input; auto: several sizes, for any face (1.0; with --faces all or N auto)",
        "resize_or_auto",
        metavar="FLOAT|auto",
    )
    best_face: str = flag(
        "detection",
        "of faces whose scores differ by less than 0.001 the best, or the larger one (score)",
        default="score",
        choices=("score", "larger"),
    )
    gaze_order: str = flag(
        "behaviour",
        "which gaze output is yaw: the first, or as the export measured (seed)",
        default="seed",
        choices=("seed", "measured"),
    )
    th_smile: float = flag("behaviour", "AU12 of a smile, from (0.5)", "number", 0.5)
    th_mouth: float = flag("behaviour", "AU25 or AU26 of an open mouth, from (0.5)", "number", 0.5)
    th_eyes: float = flag("behaviour", "openness of a closed eye, below; with --eyes on (0.2)", "number", 0.2)
    no_calib: bool = switch("behaviour", "keep the documented AU order, measure nothing", False)
    calib_cache: bool = switch("behaviour", "use the AU order stored in au_info.json", True, False)
    calib_guard: bool = switch("behaviour", "adopt a measured AU order only when it is decisive", True)
    per_image: bool = switch("extras", "write per_image/<stem>.tsv", True)
    extra_csv: bool = switch("extras", "write openface3_full.csv and openface3_boxes.csv", False)
    csv_emotion_topk: int = flag(
        "extras", "label:prob pairs in openface3_full.csv, 0 none (0)", "count", 0, metavar="INT"
    )
    landmarks: bool = switch("extras", "save landmarks per image if the bundle has them", False)
    eyes: bool = switch("extras", "fill eyes and au45 of openface3.csv, where --landmarks on tells", False)
    landmarks_fmt: str = flag(
        "extras", "landmark files (json)", default="json", choices=("json", "pts", "both")
    )
    overlay: bool = switch(
        "extras", "draw it onto the pictures while running, into <logs>/openface3/overlay", False, matters=False
    )


FLAGS: dict[str, Flag] = {option.name: option.metadata["flag"] for option in fields(Options)}
