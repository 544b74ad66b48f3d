"""PyTorch eager in bf16 autocast: what a user of the original has today.  Run by an environment with
of3[export].

`python -m tools.gpu.pytorch --of3_root DIR --models multitask --batches 1 32 --seconds 2`
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from of3.export.checkpoints import load_all
from of3.export.models import Model, models_in
from tools.gpu.row import Row, told

WARM_UP = 3
DETECTOR_SIDES_PX = (720, 1280)


def main() -> int:
    made = argparse.ArgumentParser()
    made.add_argument("--of3_root", type=Path, required=True)
    made.add_argument("--models", nargs="+", required=True)
    made.add_argument("--batches", type=int, nargs="+", required=True)
    made.add_argument("--seconds", type=float, required=True)
    given = made.parse_args()
    weights = given.of3_root / "weights"
    for model in (model for model in models_in(weights, None) if model.name in given.models):
        measure(model, weights / model.file, given)
    return 0


def measure(model: Model, file: Path, given: argparse.Namespace) -> None:
    name = f"PyTorch {torch.__version__} eager, bf16 autocast"
    if not torch.cuda.is_available():
        told(Row(f"{model.name} bf16", name, note="this PyTorch sees no GPU"))
        return
    module = model.make().eval()
    load_all({file: module})
    module = module.cuda()
    sides = DETECTOR_SIDES_PX if model.name == "detector" else model.example[2:]
    for size in given.batches:
        batch = torch.rand((size, 3, *sides))

        def step(batch: torch.Tensor = batch) -> None:
            with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
                outputs = module(batch.cuda())
                for output in outputs if isinstance(outputs, tuple) else (outputs,):
                    output.float().cpu()

        for _ in range(WARM_UP):
            step()
        done, start_s = 0, time.perf_counter()
        while done == 0 or time.perf_counter() - start_s < given.seconds:
            step()
            done += 1
        rate = done * size / (time.perf_counter() - start_s)
        told(Row(f"{model.name} bf16", name, size, 1, rate, note="random pictures"))


if __name__ == "__main__":
    sys.exit(main())
