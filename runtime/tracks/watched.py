"""A frame of a video with its faces followed."""

from dataclasses import dataclass

from of3.runtime.tracks.follower import FollowedFace, Follower
from of3.runtime.types import Failure, Moment, SeenFrame


@dataclass(frozen=True, slots=True, eq=False)
class WatchedFrame:
    """A frame, and its faces as the video's: by `face_id`."""

    moment: Moment
    faces: tuple[FollowedFace, ...]
    failure: Failure | None  # where there is no face: why
    is_cut: bool = False  # another scene begins with it


def watched(frame: SeenFrame, follower: Follower) -> WatchedFrame:
    """The next frame, with its faces followed."""
    faces = follower.after(frame.moment.time_s, frame.faces, frame.is_cut)
    return WatchedFrame(frame.moment, tuple(faces), frame.failure, frame.is_cut)
