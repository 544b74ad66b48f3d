"""The gaze outputs of a multitask module, for the mirror test."""

from collections.abc import Sequence

import torch
from torch import nn

from of3.engines.base import Floats
from of3.export.mirror import Gaze
from of3.export.models import Model
from of3.export.verify import to_input
from of3.runtime.types import Pixels


def gaze_of(model: Model, module: nn.Module) -> Gaze:
    """The gaze outputs of a multitask module as a function of pictures."""
    index = [output.name for output in model.outputs].index("gaze_rad")

    @torch.inference_mode()
    def gaze(pictures: Sequence[Pixels]) -> Floats:
        rows = [module(to_input(model, picture, model.example[2:])[None])[index] for picture in pictures]
        values: Floats = torch.cat(rows).numpy()
        return values

    return gaze
