"""From a finished run to a bundle: SavedModel, ONNX, precision variants and their parity table.

Installed as `wsss_tf.export`. The room waits for its content; a run's weights stay in its folder
until then.
"""
