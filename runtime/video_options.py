"""Every flag of `of3 video` as one frozen record: its own, and with them those of a run that it shares."""

import math
from dataclasses import dataclass, fields, replace

from of3.runtime.options import FLAGS, Flag, Options, flag, switch
from of3.runtime.settings import MAX_PIXELS

# Of a run's flags those that are asked for in the same words.
SHARED = (
    *("follow_links", "logs", "of3_root", "weights", "bundle", "override", "resume", "max_pixels"),
    *("executor", "ray_address", "shard", "workers", "memory"),
    *("device", "engine", "require", "amp", "dtype", "tf32", "batch"),
    *("faces", "detector_resize", "best_face", "gaze_order", "no_calib", "calib_cache", "calib_guard"),
    "overlay",
)


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """Every flag, defaults filled in.  run: the shared ones, the others as they are for a run that detects.

    fps: infinite for all frames.  fx, fy, cx, cy: 0 for those of the camera that a frame's size suggests.
    """

    run: Options
    inputs: tuple[str, ...]
    format: str = flag(
        "files",
        "of each video's table: csv, parquet (typed, unrounded; the extra tables), or both (csv)",
        default="csv",
        choices=("csv", "parquet", "both"),
        matters=False,
    )
    every: int = flag("frames", "take every N-th frame (1)", "natural", 1, metavar="N")
    fps: float = flag("frames", "take at most so many frames a second (all)", "positive", math.inf, metavar="F")
    start: float = flag("frames", "from this time on, in s (0)", "seconds", 0.0, metavar="S")
    end: float = flag("frames", "up to this time, in s (the end)", "seconds", math.inf, metavar="S")
    track_gap: float = flag(
        "faces", "a face that is away for longer, in s, is a new one (1.0)", "seconds", 1.0, metavar="S"
    )
    landmarks: bool = switch("faces", "98 landmarks, which head pose and eyes are made of", True)
    head_pose: bool = switch("faces", "where heads are and how they are turned", True)
    smooth: float = flag(
        "faces",
        "steady box, landmarks, pose and gaze by a one-euro filter of this time constant, in s (0: off)",
        "seconds",
        0.0,
        metavar="S",
    )
    fx: float = flag(
        "camera", "focal length along x, in pixels (of a usual camera)", "positive", 0.0, metavar="PX"
    )
    fy: float = flag(
        "camera", "focal length along y, in pixels (of a usual camera)", "positive", 0.0, metavar="PX"
    )
    cx: float = flag(
        "camera", "where the camera looks at, x in pixels (the middle)", "positive", 0.0, metavar="PX"
    )
    cy: float = flag(
        "camera", "where the camera looks at, y in pixels (the middle)", "positive", 0.0, metavar="PX"
    )


OWN: dict[str, Flag] = {
    option.name: option.metadata["flag"] for option in fields(VideoOptions) if "flag" in option.metadata
}
VIDEO_FLAGS: dict[str, Flag] = {
    **{name: FLAGS[name] for name in SHARED},
    "override": replace(FLAGS["override"], text="start videos anew that have results"),
    "resume": replace(FLAGS["resume"], text="go on with the videos in --logs, where they ended"),
    "max_pixels": replace(FLAGS["max_pixels"], text=f"larger videos are not decoded ({MAX_PIXELS})"),
    "executor": replace(
        FLAGS["executor"],
        text="local: --workers processes on this machine; ray: on the machines of a Ray cluster (this process)",
    ),
    "shard": replace(FLAGS["shard"], text="do the i-th of n shares of the videos only (all)"),
    "faces": replace(FLAGS["faces"], text="of a frame: all, the N best, or the best (all)", default="all"),
    "detector_resize": replace(
        FLAGS["detector_resize"],
        text="resize the detector's input; auto: several sizes, for any face (auto)",
        default="auto",
    ),
    "overlay": replace(
        FLAGS["overlay"],
        group="files",
        text="draw it onto the videos while running, into <logs>/openface3/overlay",
    ),
    **OWN,
}
VIDEO_COMMON = (
    "logs",
    "of3_root",
    "device",
    "faces",
    "fps",
    "smooth",
    "format",
    "override",
    "resume",
    "executor",
)
VIDEO_GROUPS = {
    "files": "input / output",
    "reading": "input / output",
    "frames": "frames",
    "faces": "faces",
    "camera": "camera of the head pose",
    "detection": "detection",
    "behaviour": "behaviour",
    "weights": "weights",
    "compute": "runtime / compute",
    "scale": "many cores and machines (a video is never shared)",
}
