"""From a finished run to a bundle: SavedModel, ONNX, precision variants and their parity table.

Installed as `wsss_tf.export`. `bundle.export_bundle` is what `wsss-tf export` calls.
"""
