"""Pairs with the largest sum of scores, exactly."""

import numpy as np
from numpy.typing import NDArray


def pairs(scores: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(R,C) scores, finite -> (row, column), one to one, sorted by row; no pair of a score of zero or less.

    Shortest augmenting paths (Edmonds and Karp 1972; Jonker and Volgenant 1987), rows one after the other.
    """
    if not scores.size:
        return []
    if len(scores) > scores.shape[1]:
        return sorted((row, column) for column, row in pairs(scores.T))
    columns = _columns(-np.maximum(scores, 0.0)).tolist()
    return [(row, column) for row, column in enumerate(columns) if scores[row, column] > 0]


def _columns(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """(R,C) with R <= C -> (R,) the column of each row, least sum."""
    row_of = np.full(cost.shape[1], -1)
    row_price, column_price = np.zeros(len(cost)), np.zeros(cost.shape[1])
    for start in range(len(cost)):
        length, before, is_final = _paths(cost - row_price[:, None] - column_price, row_of, start)
        column = int(np.where(is_final & (row_of < 0), 0.0, 1.0).argmin())
        saved = np.where(is_final, length[column] - length, 0.0)
        column_price -= saved
        row_price[row_of[is_final & (row_of >= 0)]] += saved[is_final & (row_of >= 0)]
        row_price[start] += length[column]
        while column >= 0:
            earlier = before[column]
            row_of[column] = start if earlier < 0 else row_of[earlier]
            column = earlier
    taken = np.flatnonzero(row_of >= 0)
    found = np.empty(len(cost), np.intp)
    found[row_of[taken]] = taken
    return found


def _paths(
    reduced: NDArray[np.float64], row_of: NDArray[np.intp], start: int
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """From a row over pairs that are made to the nearest free column (Dijkstra).

    reduced: (R,C) costs less prices, none below zero.  Gives for each column the length of the shortest path to
    it, the column before it (-1: none), and whether both are final.
    """
    length = np.full(reduced.shape[1], np.inf)
    before = np.full(reduced.shape[1], -1)
    is_final = np.zeros(reduced.shape[1], bool)
    row, column, so_far = start, -1, 0.0
    while True:
        through = so_far + reduced[row]
        is_shorter = ~is_final & (through < length)
        length[is_shorter], before[is_shorter] = through[is_shorter], column
        column = int(np.where(is_final, np.inf, length).argmin())
        is_final[column], so_far = True, length[column]
        if row_of[column] < 0:
            return length, before, is_final
        row = row_of[column]
