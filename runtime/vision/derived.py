"""What follows from a face's landmarks: where the head is and how it is turned, how open the eyes are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from of3.runtime.types import Floats, PictureError
from of3.runtime.vision.eyes import Openness, openness
from of3.runtime.vision.pose import Camera, HeadPose, head_pose

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Derived:
    """None where landmarks did not run, or are no face's; or where nobody asked for it."""

    pose: HeadPose | None = None
    eyes: Openness | None = None


def derived(landmarks: Floats | None, camera: Camera | None) -> Derived:
    """(N,2) landmarks, in pixels -> what follows from them.  camera: None where no pose is wanted."""
    if landmarks is None:
        return Derived()
    pose = None if camera is None else _or_none(lambda: head_pose(landmarks, camera))
    return Derived(pose, _or_none(lambda: openness(landmarks)))


def _or_none(measured: Callable[[], T]) -> T | None:
    try:
        return measured()
    except PictureError:
        return None
