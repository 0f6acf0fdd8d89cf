"""Crisp boundaries and the region tree of a photo, with numpy, scipy and scikit-image."""

from wsss_tf.regions.alternatives import felzenszwalb_regions, slic_regions
from wsss_tf.regions.cache import RegionCache, fill_cache
from wsss_tf.regions.crisp import boundary_map, region_tree, regions
from wsss_tf.regions.method import METHODS, RegionMethod
from wsss_tf.regions.pictures import write_regions
from wsss_tf.regions.settings import ALGORITHM, PRESETS
from wsss_tf.regions.tree import RegionTree

__all__ = [
    "ALGORITHM",
    "METHODS",
    "PRESETS",
    "RegionCache",
    "RegionMethod",
    "RegionTree",
    "boundary_map",
    "felzenszwalb_regions",
    "fill_cache",
    "region_tree",
    "regions",
    "slic_regions",
    "write_regions",
]
