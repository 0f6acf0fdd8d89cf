"""The graph of pixels: neighbours are tied as far as they share information."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from wsss_tf.regions.mutual_information import affinity_table, encode
from wsss_tf.regions.offsets import half_disc, paired


def affinity_matrix(
    features: Sequence[NDArray[np.float32]], *, radius: int, codes: int
) -> sp.csr_array:
    """Affinities of pixels within a radius: the product over features of their PMI's exp.

    Args:
        features: float32 [h, w, C] in 0..1, one or more.
        radius: in pixels.
        codes: cells that each feature is gathered into, at most.

    Returns:
        float32 [h w, h w], symmetric, of a diagonal that is not stored.

    Source: Isola et al., ECCV 2014.
    """
    coded = [encode(part, codes) for part in features]
    tables = [affinity_table(part) for part in coded]
    pixels = np.arange(coded[0].of.size, dtype=np.int32).reshape(coded[0].of.shape)
    firsts, seconds, weights = [], [], []
    for offset in half_disc(radius):
        first, second = paired(pixels, offset)
        product = np.ones(first.shape, np.float32)
        for part, table in zip(coded, tables, strict=True):
            one, other = paired(part.of, offset)
            product *= table[one, other]
        firsts.append(first.ravel())
        seconds.append(second.ravel())
        weights.append(product.ravel())
    places = (np.concatenate(firsts), np.concatenate(seconds))
    half = sp.coo_array((np.concatenate(weights), places), shape=(pixels.size,) * 2).tocsr()
    return half + half.T
