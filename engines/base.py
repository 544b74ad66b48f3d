"""The one interface every engine has."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class EngineUnavailable(Exception):
    """An engine cannot be opened here; the message says why and what would change that."""


class Engine(Protocol):
    """A model ready to run on one device."""

    @property
    def name(self) -> str:
        """What runs, as logged: "onnxruntime 1.32.0 CPU fp32"."""

    @property
    def max_batch(self) -> int:
        """Most rows one `run` accepts."""

    def run(self, batch: Floats) -> Mapping[str, Floats]:
        """(N, ...) float32 -> outputs by name, N rows each, owned by the caller.

        Raises ValueError when the batch does not fit the model card.
        """

    def close(self) -> None:
        """Give back the device's memory; the engine cannot run afterwards."""
