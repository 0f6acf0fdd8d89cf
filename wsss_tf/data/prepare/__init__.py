"""Data sets from their original archives into plain folders; without TensorFlow."""
