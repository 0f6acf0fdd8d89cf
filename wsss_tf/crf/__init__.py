"""Dense mean-field inference with region terms, as a TensorFlow graph.

The room waits for its content. Until it lands, masks are made without a CRF (`masks.crf: none` is
the only value a recipe accepts) and bundles carry no CRF signature.
"""
