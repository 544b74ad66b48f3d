import torch

from of3.export.networks.efficientnet import FEATURES
from of3.export.networks.multitask import (
    FusedMultitask,
    Multitask,
    adjacency,
    cosine,
    degree_normalised,
    exact_similarity,
    product_similarity,
)
from of3.export.networks.retinaface import RetinaFace
from of3.export.networks.star import Star, coordinates, soft_argmax


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_sizes_are_the_published_networks():
    assert round(parameters(Multitask()) / 1e6, 2) == 25.35
    assert round(parameters(Star(98)) / 1e6, 2) == 17.18
    assert round(parameters(RetinaFace()) / 1e6, 2) == 0.43


def test_adjacency_marks_the_four_largest_of_each_row():
    torch.manual_seed(0)
    similarity = product_similarity(torch.randn(2, 8, 16))
    edges = adjacency(similarity)
    assert (edges.sum(-1) == 4).all()
    assert similarity[edges == 1].reshape(2, 8, 4).amin(-1).gt(similarity.sort(-1).values[..., 3]).all()


def test_both_ways_to_a_similarity_agree():
    nodes = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(exact_similarity(nodes), product_similarity(nodes), rtol=0, atol=1e-5)


def test_ties_with_the_fourth_are_all_edges():
    assert adjacency(torch.ones(1, 8, 8)).sum() == 64


def test_degree_normalisation_by_hand():
    edges = torch.tensor([[[1.0, 1, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]]])
    normed = degree_normalised(edges)[0]
    assert torch.isclose(normed[0, 1], torch.tensor(2**-0.5))
    assert torch.isclose(normed[2, 0], torch.tensor((4 * 2) ** -0.5))


def test_cosine_of_a_node_with_itself_is_one_and_negative_prototypes_do_not_count():
    nodes = torch.rand(3, 8, 16)
    assert torch.allclose(cosine(nodes, nodes[0])[0], torch.ones(8))
    assert torch.allclose(cosine(nodes, -nodes[0]), torch.zeros(3, 8))


def test_fusing_changes_nothing():
    torch.manual_seed(1)
    network = Multitask().eval()
    norm = network.au_regressor.gnn.bnv
    assert norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        network.au_regressor.sc.normal_()
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.1)
        image = torch.rand(3, 3, 224, 224)
        for want, got in zip(network(image), FusedMultitask(network).eval()(image), strict=True):
            assert torch.allclose(want, got, rtol=0, atol=1e-6)
    assert FEATURES == 1280


def test_coordinates_put_the_row_first_and_the_corners_at_one():
    row, column, radius = coordinates(64)[0]
    assert (row[0, 0], row[-1, 0], column[0, -1]) == (-1, 1, 1)
    assert radius.max() == 1
    assert radius[0, 0] == 1


def test_soft_argmax_of_one_lit_pixel_is_its_place_on_an_align_corners_grid():
    heatmaps = torch.zeros(1, 2, 64, 64)
    heatmaps[0, 0, 0, 63] = 2.0
    heatmaps[0, 1, 63, 0] = 0.5
    found = soft_argmax(heatmaps, torch.linspace(-1, 1, 64))
    assert torch.allclose(found, torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]]))


def test_an_empty_heatmap_gives_the_centre_and_no_nan():
    assert soft_argmax(torch.zeros(1, 1, 64, 64), torch.linspace(-1, 1, 64)).abs().max() == 0
