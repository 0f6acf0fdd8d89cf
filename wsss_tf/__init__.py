"""Weakly-supervised semantic segmentation: from image tags to a pixel labeller."""

__version__ = "0.1.0"
