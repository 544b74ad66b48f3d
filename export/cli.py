"""`of3 export`: weights in, bundle out."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from of3.engines import machine
from of3.engines.base import EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.manifest import MANIFEST, read_bundle
from of3.engines.registry import PRECISIONS
from of3.export import triton
from of3.export.current import check_current
from of3.export.workplace import PlaceTaken
from of3.runtime.commands.arguments import add_places, add_precisions, completed
from of3.runtime.commands.parser import Parser
from of3.runtime.runs.console import log_to_stderr
from of3.runtime.runs.interruption import Unwinding

log = logging.getLogger(__name__)

INSTALL = "pip install 'of3[export]'"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    made = Parser(
        prog="of3 export",
        description="Convert published OpenFace 3.0 weights to ONNX, verify against PyTorch, write a bundle.",
        epilog="Exit status: 0 done, 1 the graphs differ from PyTorch, 2 bad weights or the place is taken.",
    )
    add_places(made, "bundle to write")
    made.add_argument(
        "--landmark_model",
        type=int,
        choices=(98, 68),
        help="landmark points (98 if its file is there, else 68)",
    )
    add_precisions(made)
    made.add_argument(
        "--force", action="store_true", help="replace an existing bundle once the new one is complete"
    )
    made.add_argument(
        "--triton",
        type=Path,
        metavar="DIR",
        help="write models into this Triton repository: of the bundle that is there, else of one made now",
    )
    made.add_argument(
        "--triton_precision", choices=triton.PRECISIONS, default="fp32", help="graphs that Triton serves (fp32)"
    )
    return completed(made.parse_args(argv))


def main(argv: Sequence[str]) -> int:
    log_to_stderr()
    options = parse(argv)
    is_there = (options.bundle / MANIFEST).exists() and not options.force
    if options.triton and is_there and tuple(options.precision) != PRECISIONS:
        log.error("got --precision and a bundle that is there: pass --triton_precision for what is served")
        return 2
    status = 0 if options.triton and is_there else _export(options)
    return _serve(options) if options.triton and status == 0 else status


def _export(options: argparse.Namespace) -> int:
    try:
        machine.opencv_version()
    except ImportError as error:
        log.error("%s", error)
        return 2
    try:
        import onnx
        import onnxscript
        import torch
    except ImportError as error:
        log.error("%s: exporting needs %s", error, INSTALL)
        return 2
    log.debug("torch %s, onnx %s, onnxscript %s", torch.__version__, onnx.__version__, onnxscript.__version__)
    return _guarded(options)


def _guarded(options: argparse.Namespace) -> int:
    """Errors and signals -> exit status."""
    from torch.onnx.errors import OnnxExporterError

    from of3.export.checkpoints import BadWeights
    from of3.export.convert import ExportOptions, export
    from of3.export.cut import CutError
    from of3.export.precision import PrecisionError
    from of3.export.verify import ExportRefused

    with Unwinding() as interruption:  # so that no half-written folder stays
        try:
            export(
                ExportOptions(
                    options.of3_root,
                    options.weights,
                    options.bundle,
                    options.landmark_model,
                    options.precision,
                    options.force,
                )
            )
        except (BadWeights, PlaceTaken, EngineUnavailable) as error:
            log.error("%s", error)
            return 2
        except (ExportRefused, PrecisionError, CutError) as error:
            log.error("%s", error)
            return 1
        except OSError as error:
            log.error("cannot write the bundle: %s: pass --bundle DIR for another place", error)
            return 1
        except (KeyboardInterrupt, OnnxExporterError) as error:  # torch wraps what interrupts its imports
            log.error("%s", "interrupted, nothing written" if interruption.came else error)
            return interruption.status or 1
    return 0


def _serve(options: argparse.Namespace) -> int:
    """The bundle's models into a Triton repository; needs neither PyTorch nor onnx."""
    with Unwinding() as interruption:
        try:
            bundle = read_bundle(options.bundle)
            check_current(bundle, options.weights)
            triton.write_repository(options.triton, bundle, options.triton_precision, options.force)
        except (BundleError, PlaceTaken) as error:
            log.error("%s", error)
            return 2
        except OSError as error:
            log.error("cannot write the repository: %s: pass --triton DIR for another place", error)
            return 1
        except KeyboardInterrupt:
            log.error("interrupted; what is written of the repository is whole")
            return interruption.status or 1
    return 0
