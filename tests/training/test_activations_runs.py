"""Runs with kept activations: cold, warm, damaged or resumed, they agree in every bit."""

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.training import run_stages
from wsss_tf.training.activation_file import NAME, ActivationFile

RUN = (
    "data.scenes.train=6", "data.scenes.val=2", "data.scenes.size=48",
    "augment.crop=48", "augment.views=2", "masks.kind=none", "segment.loss=tags",
    "segment.keep_activations=true", "segment.batch_size=2", "segment.steps=9",
    "segment.learning_rates=[1e-3]", "segment.boundaries=[]",
    "log.every=2", "log.checkpoint_every=2", "log.images_every=9",
)  # fmt: skip


def trained(out, root, *overrides):
    """The bytes of a run's checkpoint; the scenes are made once."""
    recipe = load_recipe("scenes", (*RUN, f"data.root={root}", *overrides))
    run = run_stages(recipe, out)
    return (run.stage("segment") / "checkpoint.npz").read_bytes()


def test_cold_warm_and_resumed_runs_agree_in_every_bit(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    shared = f"data.activations_cache={cache}"
    cold = trained(tmp_path / "cold", tmp_path / "data", shared)
    [path] = cache.glob(f"*/{NAME}")
    content = path.read_bytes()
    # Most entries are read, the second and the last are made again.
    path.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:-999])
    assert trained(tmp_path / "warm", tmp_path / "data", shared) == cold
    assert path.read_bytes() == content

    write, calls = ActivationFile.write, []

    def stops(self, entry, values):
        calls.append(entry)
        if len(calls) == 8:
            raise KeyboardInterrupt
        write(self, entry, values)

    with monkeypatch.context() as patch:
        patch.setattr(ActivationFile, "write", stops)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "stopped", tmp_path / "data")
    assert trained(tmp_path / "stopped", tmp_path / "data") == cold
    [own] = (tmp_path / "stopped" / "activations").glob(f"*/{NAME}")
    assert own.read_bytes() == content


def test_localize_trains_from_kept_activations(tmp_path):
    overrides = (
        *RUN[:5], "localize.crop=48", "localize.keep_activations=true", "localize.batch_size=4",
        "localize.steps=4", "localize.learning_rates=[1e-3]", "localize.boundaries=[]",
        f"data.activations_cache={tmp_path / 'cache'}",
    )  # fmt: skip
    recipe = load_recipe("scenes", overrides)
    cold, warm = (
        run_stages(recipe, tmp_path / name, until="localize").stage("localize") / "checkpoint.npz"
        for name in ("cold", "warm")
    )
    assert cold.read_bytes() == warm.read_bytes()
    assert len(list((tmp_path / "cache").glob(f"*/{NAME}"))) == 1
