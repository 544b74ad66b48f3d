"""Every flag of a run as one frozen record, which the parser, its help and a run's identity are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from of3.engines.registry import NAMES
from of3.runtime.settings import MAX_PIXELS

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


@dataclass(frozen=True, slots=True)
class Flag:
    """How an option is asked for.  parse: a reader of `of3.runtime.commands.arguments`, by name."""

    group: str
    text: str
    parse: str = "text"
    default: Any = None
    metavar: str = ""
    choices: tuple[str, ...] = ()
    matters: bool = True  # whether a picture's rows depend on it, or else only where, how fast, from when


def switch(group: str, text: str, default: bool | None, matters: bool = True) -> Flag:
    return Flag(group, text, "on_off", default, matters=matters)


@dataclass(frozen=True, slots=True)
class Options:
    """Every flag, defaults filled in."""

    aligned: Annotated[str, Flag("files", "images to process, searched recursively (required)", metavar="DIR")]
    logs: Annotated[Path, Flag("files", "log root (required)", metavar="DIR", matters=False)]
    of3_root: Annotated[Path, Flag("weights", "OpenFace-3.0 folder (required)", metavar="DIR", matters=False)]
    weights: Annotated[Path, Flag("weights", "weights (<of3_root>/weights)", metavar="DIR", matters=False)]
    bundle: Annotated[
        Path, Flag("weights", "exported bundle (<weights>/of3_bundle)", metavar="DIR", matters=False)
    ]
    override: Annotated[
        bool, Flag("files", "start the tables anew instead of appending", "present", matters=False)
    ]
    resume: Annotated[
        bool, switch("files", "go on with the run in --logs: pictures it has done are skipped", False, False)
    ]
    retry_failed: Annotated[bool, switch("files", "go on, and repeat the pictures that failed", False, False)]
    device: Annotated[
        str,
        Flag("compute", "cuda falls back to cpu, saying why (cuda)", default="cuda", choices=("cuda", "cpu")),
    ]
    engine: Annotated[
        str,
        Flag(
            "compute",
            "best to begin with; those after it take over, saying why (auto: the best that opens)",
            default="auto",
            choices=("auto", *NAMES),
        ),
    ]
    require: Annotated[
        bool,
        Flag(
            "compute",
            "no taking over: the engine asked for (auto: the best), or exit 2",
            "present",
            matters=False,
        ),
    ]
    amp: Annotated[bool, switch("compute", "mixed precision; GPU only", None)]
    dtype: Annotated[
        str, Flag("compute", "precision with --amp on (bf16)", default="bf16", choices=("fp32", "fp16", "bf16"))
    ]
    tf32: Annotated[bool, switch("compute", "TF32 matrix products; GPU only", True)]
    max_pixels: Annotated[
        int,
        Flag(
            "reading",
            f"larger pictures fail before they are decoded ({MAX_PIXELS})",
            "count",
            MAX_PIXELS,
            metavar="N",
        ),
    ]
    reject_damaged: Annotated[
        bool, switch("reading", "damaged JPEGs fail, even where they can be decoded", False)
    ]
    batch: Annotated[int, Flag("compute", "faces per network run (auto)", "count_or_auto", 0, matters=False)]
    workers: Annotated[
        int,
        Flag(
            "compute",
            "decoding threads (auto: one a core); with --executor processes (auto: one a GPU, or a core)",
            "count_or_auto",
            0,
            matters=False,
        ),
    ]
    executor: Annotated[
        str,
        Flag(
            "scale",
            "local: --workers processes on this machine; ray: on the machines of a Ray cluster (this process)",
            default="",  # this process
            choices=("local", "ray"),
            matters=False,
        ),
    ]
    ray_address: Annotated[
        str,
        Flag(
            "scale",
            "auto, or HOST:PORT (a cluster of this run's own)",
            default="",  # a cluster of this run's own
            metavar="ADDRESS",
            matters=False,
        ),
    ]
    shard: Annotated[
        tuple[int, int] | None,
        Flag(  # which of how many; None: all
            "scale",
            "do the i-th of n shares only; then `of3 merge` (all, merged)",
            "share",
            metavar="i/n",
            matters=False,
        ),
    ]
    shard_size: Annotated[int, Flag("scale", "pictures of a shard (auto)", "count_or_auto", 0, matters=False)]
    skip_detect: Annotated[bool, switch("detection", "take every image as a face crop", True)]
    detector_resize: Annotated[
        float,
        Flag(
            "detection",
            "resize the detector's input; boxes stay in original pixels (1.0)",
            "positive",
            1.0,
            metavar="FLOAT",
        ),
    ]
    gaze_order: Annotated[
        str,
        Flag(
            "behaviour",
            "which gaze output is yaw: the first, or as the export measured (seed)",
            default="seed",
            choices=("seed", "measured"),
        ),
    ]
    th_smile: Annotated[float, Flag("behaviour", "AU12 of a smile, from (0.5)", "number", 0.5)]
    th_mouth: Annotated[float, Flag("behaviour", "AU25 or AU26 of an open mouth, from (0.5)", "number", 0.5)]
    no_calib: Annotated[bool, switch("behaviour", "keep the documented AU order, measure nothing", False)]
    calib_cache: Annotated[bool, switch("behaviour", "use the AU order stored in au_info.json", True, False)]
    calib_guard: Annotated[
        bool, switch("behaviour", "adopt a measured AU order only when it is decisive", True)
    ]
    per_image: Annotated[bool, switch("extras", "write per_image/<stem>.tsv", True)]
    extra_csv: Annotated[bool, switch("extras", "write openface3_full.csv", False)]
    csv_emotion_topk: Annotated[
        int, Flag("extras", "label:prob pairs in openface3_full.csv, 0 none (0)", "count", 0, metavar="INT")
    ]
    landmarks: Annotated[bool, switch("extras", "save landmarks per image if the bundle has them", False)]
    landmarks_fmt: Annotated[
        str, Flag("extras", "landmark files (json)", default="json", choices=("json", "pts", "both"))
    ]


FLAGS: dict[str, Flag] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Options, include_extras=True).items()
}
