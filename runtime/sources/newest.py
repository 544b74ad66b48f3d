"""Frames as they come -> the newest of them whenever somebody is free for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from of3.runtime.sources.frames import Frame
from of3.runtime.sources.live import Feed, StreamLost

LOOK_EVERY_S = 0.1  # whether it is to end
END_S = 1.0  # a thread that waits for a camera cannot be woken: it is left behind


@dataclass(frozen=True, slots=True, eq=False)
class Grabbed:
    frame: Frame
    at_s: float  # by `time.monotonic`
    wall_s: float  # Unix time


class Newest:
    """A thread takes every frame and holds on to the last.  Use as a context manager; closes the feed."""

    def __init__(self, feed: Feed):
        self.grabbed = 0  # frames so far
        self._feed = feed
        self._held: Grabbed | None = None
        self._error: Exception | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="of3-live", daemon=True)

    def until(self, is_asked_to_end: Callable[[], bool]) -> Iterator[Grabbed]:
        """The newest frame that was not given out yet, whenever one is asked for.

        Raises what the feed does, behind the last frame; StreamLost: no frame came for too long.
        """
        last_s = time.monotonic()
        while not is_asked_to_end():
            grabbed = self._newest()
            if grabbed is not None:
                last_s = grabbed.at_s
                yield grabbed
            elif self._is_over:
                if self._error is not None:
                    raise self._error
                return
            elif time.monotonic() - last_s > self._feed.silence_s:
                raise StreamLost(
                    f"{self._feed.name}: no frame for {self._feed.silence_s:g} s: is it plugged in?"
                )

    def _newest(self) -> Grabbed | None:
        with self._changed:
            self._changed.wait_for(lambda: self._held is not None or self._is_over, LOOK_EVERY_S)
            grabbed, self._held = self._held, None
            return grabbed

    def _read(self) -> None:
        try:
            with closing(self._feed):
                for frame in self._in_time():
                    with self._changed:
                        self._held = Grabbed(frame, time.monotonic(), time.time())
                        self.grabbed += 1
                        self._changed.notify()
        except Exception as error:  # noqa: BLE001 - raised again by `until`
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()

    def _in_time(self) -> Iterator[Frame]:
        """Each frame when it is due, until it is to end."""
        begun_s: float | None = None
        for frame in self._feed.frames():
            if begun_s is None:
                begun_s = time.monotonic() - frame.time_s
            due_s = begun_s + frame.time_s - time.monotonic() if self._feed.is_paced else 0.0
            if self._stopped.wait(max(due_s, 0.0)):
                return
            yield frame

    def __enter__(self) -> "Newest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(END_S)
