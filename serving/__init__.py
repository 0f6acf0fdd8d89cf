"""Prediction from a bundle without TensorFlow: onnxruntime, a TF Serving client, scale-out.

Installed as `wsss_tf.serving`. The room waits for its content.
"""
