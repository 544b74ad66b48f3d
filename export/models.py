"""The three models of a bundle: which file, which module, which graph ends, and what their numbers mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from of3.engines.bundle import InputCard, Labels, OutputCard
from of3.export.checkpoints import read_mark
from of3.export.graph import Signature
from of3.export.networks.multitask import Multitask
from of3.export.networks.retinaface import RetinaFace
from of3.export.networks.star import Star

# Names and order of the published checkpoint's outputs (arXiv 2506.02891; DISFA's eight action units).
LABELS = Labels(
    emotions=("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt"),
    aus=(1, 2, 4, 6, 9, 12, 25, 26),
    gaze=("yaw", "pitch"),
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model to be exported.  bounds: largest difference from PyTorch allowed, by output, in its unit."""

    name: str
    file: str
    make: Callable[[], nn.Module]
    input: InputCard
    outputs: tuple[OutputCard, ...]
    example: tuple[int, ...]
    bounds: Mapping[str, float]

    def signature(self) -> Signature:
        outputs = {output.name: output.shape for output in self.outputs}
        return Signature(self.input.shape, outputs, self.example, self.input.name)


def detector() -> Model:
    return Model(
        name="detector",
        file="Alignment_RetinaFace.pth",
        make=RetinaFace,
        input=InputCard("image", ("batch", 3, "height", "width"), "BGR", 1.0, (104, 117, 123), (1, 1, 1)),
        outputs=(
            OutputCard("loc", ("batch", "priors", 4), "box offsets from the priors", "prior sizes"),
            OutputCard("conf", ("batch", "priors", 2), "softmax of background and face", "probability"),
            OutputCard("landms", ("batch", "priors", 10), "five points' offsets", "prior sizes"),
        ),
        example=(2, 3, 97, 131),
        bounds={"loc": 1e-4, "conf": 1e-4, "landms": 1e-4},
    )


def multitask(width: float = 1.0) -> Model:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Model(
        name="multitask",
        file="MTL_backbone.pth",
        make=lambda: Multitask(width),
        input=InputCard("image", ("batch", 3, 224, 224), "RGB", 1 / 255, mean, std),
        outputs=(
            OutputCard("emotion_logits", ("batch", 8), "emotions in label order", "logit"),
            OutputCard("gaze_rad", ("batch", 2), "gaze in label order", "rad"),
            OutputCard("au", ("batch", 8), "action unit presence in label order", "presence in [0,1]"),
        ),
        example=(2, 3, 224, 224),
        bounds={"emotion_logits": 1e-4, "gaze_rad": 1e-4, "au": 1e-4},
    )


def landmarks(points: int, width: float = 1.0) -> Model:
    meaning = "x, y of the last stack, -1 and 1 the patch's borders"
    return Model(
        name="landmarks",
        file=f"Landmark_{points}.pkl",
        make=lambda: Star(points, width),
        input=InputCard("image", ("batch", 3, 256, 256), "BGR", 1 / 127.5, (1, 1, 1), (1, 1, 1)),
        outputs=(OutputCard("landmarks", ("batch", points, 2), meaning, "half patches of 128 px"),),
        example=(2, 3, 256, 256),
        bounds={"landmarks": 0.01 / 128},  # 0.01 px of 256
    )


def models_in(weights: Path, points: int | None) -> list[Model]:
    """What a weights folder is asked for: landmarks where their file is there, or if asked for."""
    width = read_mark(weights).width
    chosen, able = [detector(), multitask(width)], [landmarks(count, width) for count in (98, 68)]
    if points is not None:
        return [*chosen, landmarks(points, width)]
    return chosen + [model for model in able if (weights / model.file).exists()][:1]
