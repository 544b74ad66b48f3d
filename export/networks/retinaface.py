"""RetinaFace with a MobileNet-0.25 body (Deng et al., CVPR 2020, arXiv 1905.00641).

Module names follow the published checkpoint `Alignment_RetinaFace.pth`, so that it loads strictly.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

FPN_CHANNELS = 64
PRIORS_PER_CELL = 2
LEAKY_SLOPE = 0.1


def conv_bn(inp: int, out: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias and its batch norm, padded so that stride 1 keeps the size."""
    conv = nn.Conv2d(inp, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out)]


def conv_bn_leaky(inp: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*conv_bn(inp, out, kernel, stride), nn.LeakyReLU(LEAKY_SLOPE))


def depthwise(inp: int, out: int, stride: int) -> nn.Sequential:
    """Depth-wise separable convolution of MobileNet (arXiv 1704.04861, figure 3)."""
    return nn.Sequential(
        *conv_bn(inp, inp, 3, stride, groups=inp),
        nn.LeakyReLU(LEAKY_SLOPE),
        *conv_bn(inp, out, 1, 1),
        nn.LeakyReLU(LEAKY_SLOPE),
    )


def mobilenet_stages() -> nn.ModuleDict:
    """Three stages with strides 8, 16, 32 and 64, 128, 256 channels."""
    stage1 = [conv_bn_leaky(3, 8, stride=2), depthwise(8, 16, 1), depthwise(16, 32, 2)]
    stage1 += [depthwise(32, 32, 1), depthwise(32, 64, 2), depthwise(64, 64, 1)]
    stage2 = [depthwise(64, 128, 2)] + [depthwise(128, 128, 1) for _ in range(5)]
    stage3 = [depthwise(128, 256, 2), depthwise(256, 256, 1)]
    return nn.ModuleDict(
        OrderedDict(
            stage1=nn.Sequential(*stage1),
            stage2=nn.Sequential(*stage2),
            stage3=nn.Sequential(*stage3),
        )
    )


class FeaturePyramid(nn.Module):
    """Top-down pyramid: (B,64,h,w), (B,128,h/2,w/2), (B,256,h/4,w/4) -> three maps of 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.output1 = conv_bn_leaky(64, FPN_CHANNELS, kernel=1)
        self.output2 = conv_bn_leaky(128, FPN_CHANNELS, kernel=1)
        self.output3 = conv_bn_leaky(256, FPN_CHANNELS, kernel=1)
        self.merge1 = conv_bn_leaky(FPN_CHANNELS, FPN_CHANNELS)
        self.merge2 = conv_bn_leaky(FPN_CHANNELS, FPN_CHANNELS)

    def forward(self, stage1: Tensor, stage2: Tensor, stage3: Tensor) -> tuple[Tensor, ...]:
        fine, middle, coarse = self.output1(stage1), self.output2(stage2), self.output3(stage3)
        # Sizes come from the finer map: a factor of 2 would be wrong where ceil() rounded up.
        middle = middle + functional.interpolate(coarse, size=middle.shape[2:], mode="nearest")
        middle = self.merge2(middle)
        fine = fine + functional.interpolate(middle, size=fine.shape[2:], mode="nearest")
        return self.merge1(fine), middle, coarse


class ContextModule(nn.Module):
    """SSH context module (Najibi et al., arXiv 1708.03979): 3x3, 5x5 and 7x7 receptive fields."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = FPN_CHANNELS // 2, FPN_CHANNELS // 4
        self.conv3X3 = nn.Sequential(*conv_bn(FPN_CHANNELS, half, 3, 1))
        self.conv5X5_1 = conv_bn_leaky(FPN_CHANNELS, quarter)
        self.conv5X5_2 = nn.Sequential(*conv_bn(quarter, quarter, 3, 1))
        self.conv7X7_2 = conv_bn_leaky(quarter, quarter)
        self.conv7x7_3 = nn.Sequential(*conv_bn(quarter, quarter, 3, 1))

    def forward(self, feature: Tensor) -> Tensor:
        narrow = self.conv5X5_1(feature)
        fields = [self.conv3X3(feature), self.conv5X5_2(narrow), self.conv7x7_3(self.conv7X7_2(narrow))]
        return functional.relu(torch.cat(fields, dim=1))


class PriorHead(nn.Module):
    """1x1 convolution that gives every prior of every cell `width` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.conv1x1 = nn.Conv2d(FPN_CHANNELS, PRIORS_PER_CELL * width, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """(B,64,h,w) -> (B, h*w*2, width), priors ordered by row, column, size."""
        cells: Tensor = self.conv1x1(feature)
        return cells.permute(0, 2, 3, 1).reshape(feature.shape[0], -1, self.width)


def prior_heads(width: int) -> nn.ModuleList:
    return nn.ModuleList([PriorHead(width) for _ in range(3)])


class RetinaFace(nn.Module):
    """Image (B,3,H,W), BGR minus (104,117,123) -> loc (B,P,4), conf (B,P,2) softmax, landms (B,P,10)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mobilenet_stages()
        self.fpn = FeaturePyramid()
        self.ssh1, self.ssh2, self.ssh3 = ContextModule(), ContextModule(), ContextModule()
        self.ClassHead = prior_heads(2)
        self.BboxHead = prior_heads(4)
        self.LandmarkHead = prior_heads(10)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stage1 = self.body["stage1"](image)
        stage2 = self.body["stage2"](stage1)
        stage3 = self.body["stage3"](stage2)
        pyramid = self.fpn(stage1, stage2, stage3)
        contexts = (self.ssh1, self.ssh2, self.ssh3)
        features = [context(level) for context, level in zip(contexts, pyramid, strict=True)]
        loc, logits, landms = (
            torch.cat([head(feature) for head, feature in zip(heads, features, strict=True)], dim=1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return loc, logits.softmax(dim=-1), landms
