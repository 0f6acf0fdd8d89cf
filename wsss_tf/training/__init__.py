"""The stages of a run, the resumable loop, the run folder, and what uses a trained network."""

from wsss_tf.images import list_photos
from wsss_tf.training.crf import inference_crf, photo_within
from wsss_tf.training.evaluate import evaluate, open_run_data, write_scores
from wsss_tf.training.make_masks import mask_path
from wsss_tf.training.mask_makers import mask_maker, stage_side
from wsss_tf.training.mask_pipeline import made_masks
from wsss_tf.training.mask_scores import score_masks, score_masks_of_many
from wsss_tf.training.predict import Predictor, predict_files
from wsss_tf.training.run import LOCALIZE, MASKS, SEGMENT, run_stages, stages_of
from wsss_tf.training.run_folder import RunFolder

__all__ = [
    "LOCALIZE",
    "MASKS",
    "SEGMENT",
    "Predictor",
    "RunFolder",
    "evaluate",
    "inference_crf",
    "list_photos",
    "made_masks",
    "mask_maker",
    "mask_path",
    "open_run_data",
    "photo_within",
    "predict_files",
    "run_stages",
    "score_masks",
    "score_masks_of_many",
    "stage_side",
    "stages_of",
    "write_scores",
]
