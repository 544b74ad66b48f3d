"""Stand-in weights: an `of3_root` in the published file format that nobody has to download.

Seeded and reproducible.  Convolutions are random, batch-norm statistics come from pictures, heads are scaled to
plausible ranges, and the AU prototypes are imprinted, so that output k lights up on reference picture k and
calibration can be tried on the real network.  The numbers mean nothing about faces.

    python -m of3.export.standin DIR
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import torch
from torch import Tensor, nn

from of3.export.checkpoints import STAND_IN_MARK
from of3.export.models import LABELS, Model, detector, landmarks, multitask
from of3.export.networks.multitask import AUS, Multitask, cosine
from of3.export.networks.retinaface import PriorHead, RetinaFace
from of3.export.networks.star import EDGES, Star
from of3.export.pictures import draw_face, noise_and_flat
from of3.export.verify import to_input
from of3.runtime.types import Pixels

N = TypeVar("N", bound=nn.Module)

FACES, OTHERS = 18, 4  # pictures in the batch-norm statistics; 18 % are no faces
GAZE_DEVIATION_RAD = 0.25
COMMON_SHARE = 0.9  # of the reference pictures' features, taken out of a copied prototype
IMPRINT_LEAD, IMPRINT_STEPS = 0.15, 200  # of a picture's own output over every other
OFFSET_DEVIATION = 0.5
FACE_LOGIT = (-8.0, 3.0)  # mean, deviation: a few priors a picture pass 0.5
REFERENCE_SIDE_PX = 64
REFERENCE_SEED = 1000
# WFLW's nine contours as point ranges (99 and above do not exist); the pupils 96 and 97 are on none.
WFLW_EDGES = ((0, 33), (33, 42), (42, 51), (51, 55), (55, 60), (60, 68), (68, 76), (76, 88), (88, 96))
IBUG_EDGES = ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36), (36, 42), (42, 48), (48, 60), (60, 68))
EDGES_OF = {98: WFLW_EDGES, 68: IBUG_EDGES}


def write_root(
    root: Path,
    seed: int = 0,
    points: Sequence[int] = (98,),
    au_order: Sequence[int] = LABELS.aus,
    correlation: float = 0.0,
    width: float = 1.0,
) -> None:
    """Write weights, reference pictures and a few faces below `root`.

    au_order: which action unit each AU output lights up on; another order than the documented one is what
    calibration has to find.
    correlation: of the eight class_linears' weights, [0,1).  At 0.8 the nodes' similarities are so close that
    bf16 flips edges of the AU graph: the hard stand-in, to measure the AU head's drift on, not to calibrate by.
    width: of multitask and landmark networks; narrow ones are quick where their size proves nothing.
    """
    weights, references = root / "weights", root / "images" / "au"
    weights.mkdir(parents=True, exist_ok=True)
    references.mkdir(parents=True, exist_ok=True)
    for au in LABELS.aus:
        _write_picture(references / f"au_{au}.png", reference_picture(au))
    for number in range(3):
        _write_picture(root / "images" / f"face_{number}.png", draw_face(2000 + number))
    digests = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prefixed = {f"module.{key}": value for key, value in make_detector().state_dict().items()}
        digests[detector().file] = _save(prefixed, weights / detector().file)
        digests[multitask().file] = _save(
            make_multitask(au_order, correlation, width).state_dict(), weights / multitask().file
        )
        for count in points:
            file = landmarks(count).file
            digests[file] = _save({"net": make_star(count, width).state_dict()}, weights / file)
    mark = {"width": width, "sha256": digests}
    (weights / STAND_IN_MARK).write_text(json.dumps(mark, indent=1) + "\n", "utf-8")


def reference_picture(au: int) -> Pixels:
    """The drawn picture that stands for an action unit: small, grey and a part of a face, as the published
    ones are, and of another part and contrast for every unit, so that a random network tells them apart."""
    index = LABELS.aus.index(au)
    row, column = divmod(index, 3)
    top, left = 20 + 60 * row, 20 + 60 * column
    part = draw_face(REFERENCE_SEED + au)[top : top + 96, left : left + 96]
    grey = cv2.resize(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), (REFERENCE_SIDE_PX, REFERENCE_SIDE_PX))
    toned = 255 - grey if index % 2 else grey
    return cv2.cvtColor(toned, cv2.COLOR_GRAY2BGR).astype("uint8", copy=False)


def make_detector() -> RetinaFace:
    """Random features; box offsets of deviation 0.5; a few priors a picture above 0.5."""
    network = _with_statistics(RetinaFace(), detector(), (224, 224))
    inputs = _faces(detector(), (224, 224))
    for head in (*network.BboxHead, *network.LandmarkHead):
        _rescale(network, _conv1x1(head), inputs, 0.0, OFFSET_DEVIATION)
    for head in network.ClassHead:
        face = _conv1x1(head)
        _rescale(network, face, inputs, *FACE_LOGIT)
        with torch.no_grad():
            for parameter in face.parameters():
                parameter[0::2] = 0.0  # background logits
    return network.eval()


def _conv1x1(head: nn.Module) -> nn.Conv2d:
    assert isinstance(head, PriorHead) and head.conv1x1.bias is not None
    return head.conv1x1


@torch.no_grad()
def make_multitask(au_order: Sequence[int], correlation: float = 0.0, width: float = 1.0) -> Multitask:
    """Emotion logits of deviation 1, gaze of 0.25 rad, AU prototypes imprinted."""
    network = _randomised(Multitask(width))
    if correlation:
        _correlate(network, correlation)
    _take_statistics(network, multitask(), (224, 224))
    inputs = _faces(multitask(), (224, 224))
    _rescale(network, network.emotion_classifier, inputs, 0.0, 1.0)
    _rescale(network, network.gaze_regressor, inputs, 0.0, GAZE_DEVIATION_RAD)
    head = network.au_regressor
    references = torch.stack([to_input(multitask(), reference_picture(au), (224, 224)) for au in LABELS.aus])
    nodes = head.nodes(network.fc_au(network.base_model(references)).relu())
    own = [LABELS.aus.index(au) for au in au_order]
    head.sc.copy_(_copied(nodes, own) if correlation else _imprinted(nodes.clone(), own))
    return network


def _correlate(network: Multitask, correlation: float) -> None:
    """Give the class_linears' weights a common part of this share, and every filter the mean 0.

    Filters of mean 0 see differences and not the common grey of all pictures, whose roundings would swamp what
    the head's own precision does.
    """
    for layer in network.base_model.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            layer.weight.sub_(layer.weight.mean((1, 2, 3), keepdim=True))
    features = network.base_model.features
    common = nn.init.kaiming_normal_(torch.empty(features, features))
    for layer in network.au_regressor.class_linears:
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(correlation**0.5 * common + (1 - correlation) ** 0.5 * layer.weight)


def _copied(nodes: Tensor, own: list[int]) -> Tensor:
    """Prototypes that are the own picture's features less what all pictures share.  As far from flipping with a
    rounding as a trained prototype, but not decisive enough to calibrate by."""
    return (nodes[own, range(AUS)] - COMMON_SHARE * nodes.mean(dim=0)).relu()


@torch.enable_grad()
def _imprinted(nodes: Tensor, own: list[int]) -> Tensor:
    """Node features (pictures,8,C) -> prototypes (8,C), output k lit up most by picture own[k].

    Fitted, since random features of drawn pictures are alike: a plain copy of the own picture's features
    gives 0.9 on every picture, and calibration would find nothing.
    """
    prototypes = nodes[own, range(AUS)].clone().requires_grad_()
    lit = [own.index(picture) for picture in range(AUS)]
    optimiser = torch.optim.Adam([prototypes], lr=float(nodes.std()) / 20)
    for _ in range(IMPRINT_STEPS):
        optimiser.zero_grad()
        scores = cosine(nodes, prototypes)  # (picture, output)
        lead = scores[range(AUS), lit].unsqueeze(1) - scores
        lead[range(AUS), lit] = IMPRINT_LEAD
        loss = (IMPRINT_LEAD - lead).relu().square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return prototypes.detach()


def make_star(points: int, width: float = 1.0) -> Star:
    """Random features; the contours' membership matrix as the published file has it."""
    network = Star(points, width)
    for edge, (first, last) in enumerate(EDGES_OF[points]):
        network.e2h_transform.weight[first:last, edge] = 1.0
    assert len(EDGES_OF[points]) == EDGES
    network.e2h_transform.bias.copy_((network.e2h_transform.weight.sum((1, 2, 3)) == 0).float())
    return _with_statistics(network, landmarks(points), (256, 256))


def _faces(model: Model, size: tuple[int, int]) -> Tensor:
    return torch.stack([to_input(model, draw_face(seed), size) for seed in range(FACES)])


def _with_statistics(network: N, model: Model, size: tuple[int, int]) -> N:
    return _take_statistics(_randomised(network), model, size)


@torch.no_grad()
def _randomised(network: N) -> N:
    """Random weights, biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if isinstance(network, RetinaFace) and isinstance(layer, nn.Conv2d) and layer.groups > 1:
                # Random high-pass filters see next to nothing in a smooth picture, and batch norm would
                # amplify that until float32 is no longer exact.
                layer.weight.abs_()
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


@torch.no_grad()
def _take_statistics(network: N, model: Model, size: tuple[int, int]) -> N:
    """Batch-norm statistics from one pass in training mode; in evaluation mode."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 1.0
    others = torch.stack([to_input(model, pixels, size) for pixels in noise_and_flat(OTHERS, 7, size[0])])
    network.train()(torch.cat([_faces(model, size), others]))
    return network.eval()


@torch.no_grad()
def _rescale(
    network: nn.Module, layer: nn.Linear | nn.Conv2d, inputs: Tensor, mean: float, deviation: float
) -> None:
    """Give every output channel of `layer` this mean and deviation over `inputs`."""
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network(inputs)
    hook.remove()
    values = seen[0].movedim(1, 0).flatten(1)  # (channels, everything else)
    gain = deviation / values.std(dim=1).clamp(min=1e-6)
    layer.weight.mul_(gain.reshape(-1, *[1] * (layer.weight.ndim - 1)))
    assert layer.bias is not None
    layer.bias.copy_(mean - (values.mean(dim=1) - layer.bias) * gain)


def _save(state: object, path: Path) -> str:
    torch.save(state, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_picture(path: Path, pixels: Pixels) -> None:
    encoded = cv2.imencode(path.suffix, pixels)[1]
    path.write_bytes(encoded.tobytes())


def main(argv: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m of3.export.standin", description=__doc__)
    made.add_argument("root", type=Path, help="folder to write weights/ and images/ into")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--points", type=int, choices=(98, 68), action="append", help="landmark models (98)")
    made.add_argument(
        "--correlation", type=float, default=0.0, help="of the class_linears (0); 0.8 is the hard stand-in"
    )
    made.add_argument("--width", type=float, default=1.0, help="of the networks (1); 0.125 is quick")
    given = made.parse_args(argv)
    write_root(given.root, given.seed, given.points or (98,), correlation=given.correlation, width=given.width)
    print(f"stand-in weights, which mean nothing about faces: {given.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
