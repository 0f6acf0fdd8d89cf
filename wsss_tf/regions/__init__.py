"""Crisp boundaries and the region tree of a photo, with numpy, scipy and scikit-image."""

from wsss_tf.regions.alternatives import felzenszwalb_regions, slic_regions
from wsss_tf.regions.cache import RegionCache, fill_cache
from wsss_tf.regions.method import METHODS, RegionMethod
from wsss_tf.regions.pictures import write_regions

__all__ = [
    "METHODS",
    "RegionCache",
    "RegionMethod",
    "felzenszwalb_regions",
    "fill_cache",
    "slic_regions",
    "write_regions",
]
