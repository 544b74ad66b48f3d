"""The multitask network: emotion, gaze and action units from one EfficientNet-B0 (arXiv 2506.02891).

The AU head is ME-GraphAU's (Luo et al., IJCAI 2022, arXiv 2205.01782): eight nodes, a graph built from
their similarities, and cosine similarity to eight prototypes.  `Multitask` has the checkpoint's keys;
`FusedMultitask` is the same function with its parallel linear layers joined, which is what is exported.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from of3.export.networks.efficientnet import EfficientNetB0

EMOTIONS = 8
GAZE = 2
AUS = 8
NEIGHBOURS = 4


def product_similarity(nodes: Tensor) -> Tensor:
    """Nodes (B,N,C) -> their dot products (B,N,N), by the matrix product the original takes."""
    return nodes @ nodes.transpose(1, 2)


def exact_similarity(nodes: Tensor) -> Tensor:
    """The same by multiply and sum: a matrix product may be rounded to TF32 on a GPU, and a rounding error
    here flips an edge."""
    return (nodes.unsqueeze(2) * nodes.unsqueeze(1)).sum(-1)


def adjacency(similarity: Tensor) -> Tensor:
    """(B,N,N) dot products -> 1.0 where one is among its row's four largest."""
    fourth = similarity.topk(NEIGHBOURS, dim=-1).values[..., -1:]
    return (similarity >= fourth).to(similarity.dtype)


def degree_normalised(edges: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 of (B,N,N), D the row sums (Kipf and Welling, arXiv 1609.02907)."""
    scale: Tensor = edges.sum(-1) ** -0.5
    return scale.unsqueeze(2) * edges * scale.unsqueeze(1)


def cosine(nodes: Tensor, prototypes: Tensor) -> Tensor:
    """Nodes (B,N,C) against ReLU(prototypes) (N,C) -> (B,N)."""
    unit = functional.normalize(prototypes.relu(), dim=-1)
    return (functional.normalize(nodes, dim=-1) * unit).sum(-1)


class NodeGraph(nn.Module):
    """One graph convolution: x = ReLU(x + BN(A V(x) + U(x)))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.U = nn.Linear(features, features)
        self.V = nn.Linear(features, features)
        self.bnv = nn.BatchNorm1d(AUS)

    def forward(self, nodes: Tensor) -> Tensor:
        edges = degree_normalised(adjacency(product_similarity(nodes.detach())))
        update: Tensor = self.bnv(edges @ self.V(nodes) + self.U(nodes))
        return (nodes + update).relu()


class ActionUnitHead(nn.Module):
    """Feature (B,1280) -> AU presence scores (B,8) in [0,1], in checkpoint order."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.class_linears = nn.ModuleList([nn.Linear(features, features) for _ in range(AUS)])
        self.gnn = NodeGraph(features)
        self.sc = nn.Parameter(torch.zeros(AUS, features))

    def nodes(self, feature: Tensor) -> Tensor:
        """(B,1280) -> node features after the graph (B,8,1280), what the prototypes are compared to."""
        graph: Tensor = self.gnn(torch.stack([layer(feature) for layer in self.class_linears], dim=1))
        return graph

    def forward(self, feature: Tensor) -> Tensor:
        return cosine(self.nodes(feature), self.sc)


class Multitask(nn.Module):
    """Image (B,3,224,224), normalised RGB -> emotion logits (B,8), gaze (B,2) rad, AU (B,8)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.base_model = EfficientNetB0(width)
        features = self.base_model.features
        self.fc_emotion = nn.Linear(features, features)
        self.fc_gaze = nn.Linear(features, features)
        self.fc_au = nn.Linear(features, features)
        self.emotion_classifier = nn.Linear(features, EMOTIONS)
        self.gaze_regressor = nn.Linear(features, GAZE)
        self.au_regressor = ActionUnitHead(features)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.base_model(image)
        emotion = self.emotion_classifier(self.fc_emotion(features).relu())
        gaze = self.gaze_regressor(self.fc_gaze(features).relu())
        return emotion, gaze, self.au_regressor(self.fc_au(features).relu())


def joined(layers: list[nn.Linear]) -> nn.Linear:
    """Linear layers over one input -> one layer with their outputs in order."""
    fused = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers))
    fused.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
    fused.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))
    return fused


class RowConv(nn.Conv2d):
    """A linear layer over rows (N,C) written as a 1x1 convolution over a picture of N x 1 pixels.

    The AU head stays float32 in every precision, and on compute capability 7.5 TensorRT for RTX has float32
    convolutions but no float32 matrix products.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, 1)
        self.weight = nn.Parameter(linear.weight.detach()[:, :, None, None].clone())
        self.bias = nn.Parameter(linear.bias.detach().clone())

    def forward(self, rows: Tensor) -> Tensor:
        columns = super().forward(rows.T.reshape(1, self.in_channels, -1, 1))
        return columns.reshape(self.out_channels, -1).T


class FusedMultitask(nn.Module):
    """`Multitask` in evaluation mode with the three fc layers, the eight class_linears, and U and V joined, and
    BatchNorm1d folded into one scale and one shift per node."""

    scale: Tensor
    shift: Tensor
    sc: Tensor

    def __init__(self, source: Multitask) -> None:
        super().__init__()
        head = source.au_regressor
        norm = head.gnn.bnv
        assert norm.running_mean is not None and norm.running_var is not None  # tracked by default
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.base_model = source.base_model
        self.fc = joined([source.fc_emotion, source.fc_gaze, source.fc_au])
        self.emotion_classifier = source.emotion_classifier
        self.gaze_regressor = source.gaze_regressor
        layers = [layer for layer in head.class_linears if isinstance(layer, nn.Linear)]
        self.class_linears = RowConv(joined(layers))
        self.UV = RowConv(joined([head.gnn.U, head.gnn.V]))
        self.register_buffer("scale", scale.detach().reshape(AUS, 1))
        self.register_buffer("shift", (norm.bias - norm.running_mean * scale).detach().reshape(AUS, 1))
        self.register_buffer("sc", functional.normalize(head.sc.detach().relu(), dim=-1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.base_model.features
        emotion, gaze, au = self.fc(self.base_model(image)).relu().split(features, dim=1)
        nodes = self.class_linears(au).reshape(-1, AUS, features)
        edges = degree_normalised(adjacency(exact_similarity(nodes)))
        own, sent = self.UV(nodes.reshape(-1, features)).reshape(-1, AUS, 2 * features).split(features, dim=2)
        received = (edges.unsqueeze(3) * sent.unsqueeze(1)).sum(2)
        graph = (nodes + (received + own) * self.scale + self.shift).relu()
        similarity = (functional.normalize(graph, dim=-1) * self.sc).sum(-1)
        return self.emotion_classifier(emotion), self.gaze_regressor(gaze), similarity
