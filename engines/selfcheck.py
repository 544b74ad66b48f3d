"""A bundle's own pictures and what fp32 made of them: an engine that computes anything else is not used."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from of3.engines.base import BatchRefused, Engine, EngineFailed, EngineUnavailable, Floats
from of3.engines.bundle import REMEDY, BundleError, InputCard, ModelCard

PIXELS = "pixels"
FAILS = "fails the self-check"  # what a refusal says that is one of the numbers
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class SelfCheck:
    """pixels: (N,H,W,3) uint8 in the card's colour order.  outputs: fp32, by name, N rows each."""

    pixels: NDArray[np.uint8]
    outputs: Mapping[str, Floats]


def tensor_of(pixels: NDArray[np.uint8], card: InputCard) -> Floats:
    """(N,H,W,3) in the card's colour order -> (N,3,H,W) as the card asks."""
    return np.ascontiguousarray((pixels * card.gain - card.offset).transpose(0, 3, 1, 2), np.float32)


def read_self_check(card: ModelCard) -> SelfCheck:
    """The card's stored pictures and outputs.  Raises BundleError when the file changed or is incomplete."""
    content = io.BytesIO(card.check.file.read())
    try:
        size = sum(entry.file_size for entry in zipfile.ZipFile(content).infolist())
        if size > MAX_BYTES:
            raise ValueError(f"unpacks to {size} bytes, want at most {MAX_BYTES}")
        with np.load(content, allow_pickle=False) as arrays:
            outputs = {output.name: arrays[output.name] for output in card.outputs}
            return SelfCheck(arrays[PIXELS], outputs)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{card.check.file.path}: {error}: {REMEDY}") from error


def differences(engine: Engine, card: ModelCard, check: SelfCheck, rows: int) -> dict[str, float]:
    """Largest absolute difference from fp32 of each output, over a batch of the pictures."""
    rank = np.arange(rows) % len(check.pixels)
    found = engine.run(tensor_of(check.pixels[rank], card.input))
    return {name: float(np.abs(found[name] - want[rank]).max()) for name, want in check.outputs.items()}


def verify(
    engine: Engine, card: ModelCard, check: SelfCheck, precision: str, rows: int = 1
) -> dict[str, float]:
    """The differences, over a batch of `rows`.

    Raises EngineUnavailable when an output is further from fp32 than this precision explains.
    """
    found = differences(engine, card, check, rows)
    bounds = card.check.bounds[precision]
    beyond = {name: value for name, value in found.items() if not value <= bounds[name]}
    if beyond:
        said = ", ".join(
            f"{name} differs by {value:.3g}, bound {bounds[name]:.3g}" for name, value in beyond.items()
        )
        raise EngineUnavailable(f"{engine.name} {FAILS} of {card.name}: {said}")
    return found


def accept(engine: Engine, card: ModelCard, precision: str, batches: Iterable[int]) -> None:
    """Run a batch of each size before any picture.

    Raises EngineUnavailable, the engine closed, when one of them fails or is further from fp32 than this
    precision explains; BundleError.
    """
    try:
        check = read_self_check(card)
        for rows in batches:
            verify(engine, card, check, precision, rows)
    except (BatchRefused, EngineFailed) as error:
        engine.close()
        raise EngineUnavailable(f"{engine.name} does not run {card.name}: {error}") from error
    except (BundleError, EngineUnavailable):
        engine.close()
        raise
