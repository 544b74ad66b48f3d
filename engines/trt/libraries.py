"""The TensorRT libraries: `tensorrt`, and `tensorrt_rtx` for RTX cards."""

import importlib
from functools import cache
from typing import Any

from of3.engines.base import EngineUnavailable

LIBRARIES = ("tensorrt", "tensorrt_rtx")
INSTALL = "install TensorRT 10.8 or newer (pip install tensorrt, from NVIDIA's index) or pip install 'of3[rtx]'"


@cache
def library(name: str) -> Any:
    """The module "tensorrt" or "tensorrt_rtx".  Raises EngineUnavailable when it cannot be imported."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        raise EngineUnavailable(f"{name} cannot be imported ({error}): {INSTALL}") from error


def installed() -> dict[str, str]:
    """Versions of the TensorRT libraries that can be imported, by name."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = str(library(name).__version__)
        except EngineUnavailable:
            continue
    return found


def first() -> str:
    """The library that is taken where none is asked for.  Raises EngineUnavailable: none can be imported."""
    for name in installed():
        return name
    return str(library(LIBRARIES[0]).__name__)  # raises, with the reason and the remedy


@cache
def messages(name: str) -> Any:
    """The logger of a library, which keeps what went wrong in `.errors`.

    One per process: TensorRT goes on with the first logger it was ever given and ignores the others.
    """
    trt = library(name)

    class Messages(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, text: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(text)

        def drain(self, otherwise: str = "no reason given") -> str:
            """What went wrong since the last time, as one line."""
            said, self.errors = "; ".join(self.errors), []
            return said or otherwise

    return Messages()
