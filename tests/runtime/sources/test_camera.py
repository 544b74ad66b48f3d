"""Cameras, of which a machine that tests has none."""

import sys

import pytest

from of3.runtime.sources.camera import Camera
from of3.runtime.types import RunError

pytestmark = pytest.mark.usefixtures("av")


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are files on Linux only")
def test_a_camera_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(RunError, match=r"^camera 97: no such camera \(/dev/video97\); there: "):
        Camera(97)
