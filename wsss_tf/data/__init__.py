"""Data sources and the tf.data pipelines over any of them."""
