"""EfficientNet-B0 (Tan and Le, arXiv 1905.11946) in its TensorFlow flavour: "SAME" padding, BN eps 1e-3.

Module names follow the published checkpoint's `base_model.*` keys, so that it loads strictly.
"""

from torch import Tensor, nn
from torch.nn import functional

FEATURES = 1280
BN_EPS = 1e-3
# repeats, kernel, stride, expansion, output channels (arXiv 1905.11946, table 1)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def scaled(channels: int, width: float) -> int:
    """Channels of a network of this width; 1 is the published one, narrower ones are for tests."""
    return max(4, round(channels * width))


class SameConv2d(nn.Conv2d):
    """Stride-2 convolution padded as TensorFlow pads an even size: the odd pixel goes right and below."""

    def forward(self, feature: Tensor) -> Tensor:
        total = self.kernel_size[0] - self.stride[0]
        before = total // 2
        padded = functional.pad(feature, (before, total - before, before, total - before))
        return functional.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


def conv(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(inp, out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SameConv2d(inp, out, kernel, stride, groups=groups, bias=False)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPS)


class SqueezeExcite(nn.Module):
    """Channel gate (Hu et al., arXiv 1709.01507)."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        squeezed = functional.silu(self.conv_reduce(feature.mean((2, 3), keepdim=True)))
        gate: Tensor = self.conv_expand(squeezed).sigmoid()
        return feature * gate


class DepthwiseBlock(nn.Module):
    """The first stage's block: depth-wise, gate, project; no expansion, no skip (16 != 32)."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = conv(inp, inp, kernel, stride, groups=inp)
        self.bn1 = batch_norm(inp)
        self.se = SqueezeExcite(inp, inp // 4)
        self.conv_pw = conv(inp, out, 1)
        self.bn2 = batch_norm(out)

    def forward(self, feature: Tensor) -> Tensor:
        feature = functional.silu(self.bn1(self.conv_dw(feature)))
        projected: Tensor = self.bn2(self.conv_pw(self.se(feature)))
        return projected


class InvertedResidual(nn.Module):
    """Expand, depth-wise, gate, project; a skip where the shape stays (MobileNetV2, arXiv 1801.04381)."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inp * expansion
        self.conv_pw = conv(inp, middle, 1)
        self.bn1 = batch_norm(middle)
        self.conv_dw = conv(middle, middle, kernel, stride, groups=middle)
        self.bn2 = batch_norm(middle)
        self.se = SqueezeExcite(middle, inp // 4)
        self.conv_pwl = conv(middle, out, 1)
        self.bn3 = batch_norm(out)
        self.has_skip = stride == 1 and inp == out

    def forward(self, feature: Tensor) -> Tensor:
        hidden = functional.silu(self.bn1(self.conv_pw(feature)))
        hidden = functional.silu(self.bn2(self.conv_dw(hidden)))
        projected: Tensor = self.bn3(self.conv_pwl(self.se(hidden)))
        return feature + projected if self.has_skip else projected


def stage(inp: int, repeats: int, kernel: int, stride: int, expansion: int, out: int) -> nn.Sequential:
    if expansion == 1:
        return nn.Sequential(DepthwiseBlock(inp, out, kernel, stride))
    first = InvertedResidual(inp, out, kernel, stride, expansion)
    rest = [InvertedResidual(out, out, kernel, 1, expansion) for _ in range(repeats - 1)]
    return nn.Sequential(first, *rest)


class EfficientNetB0(nn.Module):
    """Image (B,3,224,224), normalised RGB -> features (B,1280)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        first, *outputs, self.features = (
            scaled(channels, width) for channels in (32, *(out for *_, out in STAGES), FEATURES)
        )
        self.conv_stem = conv(3, first, 3, stride=2)
        self.bn1 = batch_norm(first)
        inputs = (first, *outputs[:-1])
        rows = zip(inputs, STAGES, outputs, strict=True)
        self.blocks = nn.Sequential(*(stage(inp, *row[:4], out) for inp, row, out in rows))
        self.conv_head = conv(outputs[-1], self.features, 1)
        self.bn2 = batch_norm(self.features)

    def forward(self, image: Tensor) -> Tensor:
        feature = functional.silu(self.bn1(self.conv_stem(image)))
        feature = functional.silu(self.bn2(self.conv_head(self.blocks(feature))))
        return feature.mean((2, 3))
