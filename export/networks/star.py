"""STAR facial landmarks (Zhou et al., CVPR 2023, arXiv 2306.02763): four stacked hourglasses with
coordinate channels and boundary attention.

Module names follow the published `Landmark_98.pkl` and `Landmark_68.pkl`, so that they load strictly.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from of3.export.networks.efficientnet import scaled

STACKS = 4
LEVELS = 4
CHANNELS = 256
EDGES = 9
SIDE_PX = 256
MAP_PX = 64
BOUNDARY_THRESHOLD = 0.05


def coordinates(side: int) -> Tensor:
    """(1,3,side,side): row and column in [-1,1], and distance from the centre over its largest value.

    The checkpoint was trained with the row first, unlike the paper's (x, y, r).
    """
    line = torch.linspace(-1, 1, side)
    row, column = torch.meshgrid(line, line, indexing="ij")
    radius = (row**2 + column**2).sqrt()
    return torch.stack([row, column, radius / radius.max()]).unsqueeze(0)


class CoordConv(nn.Module):
    """Convolution over the input, its coordinates and, from the second stack on, boundary coordinates."""

    grid: Tensor

    def __init__(self, conv: nn.Conv2d, side: int) -> None:
        super().__init__()
        self.register_buffer("grid", coordinates(side), persistent=False)
        self.conv = conv

    def forward(self, feature: Tensor, heatmaps: Tensor | None = None) -> Tensor:
        grid = self.grid.expand(feature.shape[0], -1, -1, -1)
        parts = [feature, grid]
        if heatmaps is not None:
            boundary = heatmaps[:, -1:].clamp(0.0, 1.0) > BOUNDARY_THRESHOLD
            parts.append(torch.where(boundary, grid[:, :2], 0.0))
        mixed: Tensor = self.conv(torch.cat(parts, dim=1))
        return mixed


class Stem(nn.Module):
    """CoordConv 7x7 of stride 2, batch norm, ReLU: (B,3,256,256) -> (B,64,128,128)."""

    grid: Tensor

    def __init__(self, out: int) -> None:
        super().__init__()
        self.register_buffer("grid", coordinates(SIDE_PX), persistent=False)
        self.conv = nn.Conv2d(6, out, 7, stride=2, padding=3)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, image: Tensor) -> Tensor:
        grid = self.grid.expand(image.shape[0], -1, -1, -1)
        return functional.relu(self.bn(self.conv(torch.cat([image, grid], dim=1))))


class ConvBlock(nn.Module):
    """A convolution with bias under the checkpoint's extra name level."""

    def __init__(self, inp: int, out: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, padding=kernel // 2)

    def forward(self, feature: Tensor) -> Tensor:
        out: Tensor = self.conv(feature)
        return out


class NormedConvBlock(ConvBlock):
    """`ConvBlock`, batch norm, ReLU."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__(inp, out)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, feature: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(feature)))


class Bottleneck(nn.Module):
    """Pre-activation bottleneck (He et al., arXiv 1603.05027)."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__()
        middle = out // 2
        self.bn1 = nn.BatchNorm2d(inp)
        self.conv1 = ConvBlock(inp, middle)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = ConvBlock(middle, middle, 3)
        self.bn3 = nn.BatchNorm2d(middle)
        self.conv3 = ConvBlock(middle, out)
        # The checkpoint carries this layer also where the skip is the identity.
        self.skip_layer = ConvBlock(inp, out)
        self.is_identity = inp == out

    def forward(self, feature: Tensor) -> Tensor:
        skip = feature if self.is_identity else self.skip_layer(feature)
        hidden = self.conv1(functional.relu(self.bn1(feature)))
        hidden = self.conv2(functional.relu(self.bn2(hidden)))
        out: Tensor = self.conv3(functional.relu(self.bn3(hidden))) + skip
        return out


class Hourglass(nn.Module):
    """Recursive hourglass (Newell et al., arXiv 1603.06937) of `levels` halvings, (B,256,h,w) -> the same."""

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.up1 = Bottleneck(channels, channels)
        self.low1 = Bottleneck(channels, channels)
        self.low2 = Hourglass(levels - 1, channels) if levels > 1 else Bottleneck(channels, channels)
        self.low3 = Bottleneck(channels, channels)

    def forward(self, feature: Tensor) -> Tensor:
        low = self.low3(self.low2(self.low1(functional.max_pool2d(feature, 2))))
        up: Tensor = self.up1(feature) + functional.interpolate(low, scale_factor=2.0, mode="nearest")
        return up


class CoordHourglass(Hourglass):
    """The outermost hourglass of a stack: coordinates are mixed in first."""

    def __init__(self, is_first: bool, channels: int) -> None:
        super().__init__(LEVELS, channels)
        extra = 3 if is_first else 5
        self.coordconv = CoordConv(nn.Conv2d(channels + extra, channels, 1), MAP_PX)

    def forward(self, feature: Tensor, heatmaps: Tensor | None = None) -> Tensor:
        return super().forward(self.coordconv(feature, heatmaps))


class EdgeToPoint(nn.Module):
    """Edge maps (B,9,h,w) -> per-point attention (B,N,h,w) by a fixed membership matrix."""

    weight: Tensor
    bias: Tensor

    def __init__(self, points: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(points, EDGES, 1, 1))
        self.register_buffer("bias", torch.zeros(points))

    def forward(self, edges: Tensor) -> Tensor:
        return functional.conv2d(edges, self.weight, self.bias)


def soft_argmax(heatmaps: Tensor, line: Tensor) -> Tensor:
    """Non-negative heatmaps (B,N,64,64) -> (x, y) (B,N,2) in [-1,1], on an align-corners grid."""
    total = heatmaps.sum((2, 3)).clamp(min=1e-6)
    x = (heatmaps * line).sum((2, 3)) / total
    y = (heatmaps * line.unsqueeze(1)).sum((2, 3)) / total
    return torch.stack([x, y], dim=-1)


def convolutions(inp: int, out: int, count: int) -> nn.ModuleList:
    return nn.ModuleList([ConvBlock(inp, out) for _ in range(count)])


class Star(nn.Module):
    """Image (B,3,256,256), BGR/127.5 - 1 -> landmarks of the last stack (B,N,2), (x, y) in [-1,1]."""

    line: Tensor

    def __init__(self, points: int, width: float = 1.0) -> None:
        super().__init__()
        stem, middle, channels = (scaled(count, width) for count in (64, 128, CHANNELS))
        self.pre = nn.Sequential(
            Stem(stem),
            Bottleneck(stem, middle),
            nn.MaxPool2d(2),
            Bottleneck(middle, middle),
            Bottleneck(middle, channels),
        )
        self.hgs = nn.ModuleList([CoordHourglass(stack == 0, channels) for stack in range(STACKS)])
        self.features = nn.ModuleList(
            [
                nn.Sequential(Bottleneck(channels, channels), NormedConvBlock(channels, channels))
                for _ in range(STACKS)
            ]
        )
        self.e2h_transform = EdgeToPoint(points)
        self.out_heatmaps = convolutions(channels, points, STACKS)
        self.out_edgemaps = convolutions(channels, EDGES, STACKS)
        self.out_pointmaps = convolutions(channels, points, STACKS)
        self.merge_features = convolutions(channels, channels, STACKS - 1)
        self.merge_heatmaps = convolutions(points, channels, STACKS - 1)
        self.merge_edgemaps = convolutions(EDGES, channels, STACKS - 1)
        self.merge_pointmaps = convolutions(points, channels, STACKS - 1)
        self.register_buffer("line", torch.linspace(-1, 1, MAP_PX), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        trunk = self.pre(image)
        heatmaps = None
        for stack in range(STACKS - 1):
            feature, heatmaps = self._stack(stack, trunk, heatmaps)
            trunk = trunk + self.merge_features[stack](feature) + self.merge_heatmaps[stack](heatmaps)
            trunk = trunk + self.merge_pointmaps[stack](self.out_pointmaps[stack](feature).sigmoid())
            trunk = trunk + self.merge_edgemaps[stack](self.out_edgemaps[stack](feature).sigmoid())
        feature, heatmaps = self._stack(STACKS - 1, trunk, heatmaps)
        attention = self.e2h_transform(self.out_edgemaps[-1](feature).sigmoid())
        return soft_argmax(attention * self.out_pointmaps[-1](feature).sigmoid() * heatmaps, self.line)

    def _stack(self, stack: int, trunk: Tensor, heatmaps: Tensor | None) -> tuple[Tensor, Tensor]:
        """One hourglass -> its feature (B,256,64,64) and its heatmaps (B,N,64,64), normalised, >= 0."""
        feature = self.features[stack](self.hgs[stack](trunk, heatmaps))
        normed = functional.instance_norm(self.out_heatmaps[stack](feature))
        return feature, functional.relu(normed)
