"""Crisp boundaries and the region tree of a photo, with numpy, scipy and scikit-image.

The room waits for its content. Until it lands, no mask and no bundle uses regions.
"""
