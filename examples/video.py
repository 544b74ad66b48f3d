"""A video -> a line for every face of every frame: `python examples/video.py BUNDLE VIDEO`.

Needs `pip install 'of3[video]'`.  `face_id` stays with a person; times are the file's own.
"""

import argparse
import os
import sys
from collections.abc import Iterator

import of3


def lines(bundle: str, video: str) -> Iterator[str]:
    settings = of3.Settings(detect=True, landmarks=True, detector_resize="auto")
    with of3.Pipeline.open(bundle, settings) as pipeline:
        for frame in of3.watch(pipeline, video, of3.Watching(fps=5.0)):
            if frame.failure is not None:
                yield f"{frame.moment.time_s:8.3f} s\t{frame.failure.reason}"
            for face in frame.faces:
                yield f"{frame.moment.time_s:8.3f} s\tface {face.face_id}\t{face.record.emotion}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("video")
    given = parser.parse_args()
    try:
        for line in lines(given.bundle, given.video):
            print(line, flush=True)
    except BrokenPipeError:  # `| head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except of3.VideoError as error:
        sys.exit(f"{given.video}: {error}")
    except (of3.Error, OSError) as error:
        sys.exit(str(error))
