"""Losses that need no pixel label, and the pooling they share."""
