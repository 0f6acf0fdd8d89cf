"""The backbone with real ImageNet weights on a real photo."""

import numpy as np
import pytest
from PIL import Image

from wsss_tf.nets import vgg, weights

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def activations(real):
    path = real / "vgg16_imagenet_conv_bgr_fp16.npz"
    rows = (real / "voc_animals" / "tags.csv").read_text("utf-8").splitlines()[1:]
    name = next(row.split(",")[0] for row in rows if row.endswith(",cat"))
    folder = real / "voc_animals"
    photo = np.asarray(Image.open(folder / name).convert("RGB"))
    mask = np.asarray(Image.open(folder / "masks" / f"{(folder / name).stem}.png"))
    outputs = {}
    for dilated in (False, True):
        model = vgg.activation_network(dilated=dilated)
        weights.load_backbone(model, path)
        outputs[dilated] = [np.asarray(a) for a in model(photo[None])]
    return outputs, mask


def test_activations_are_sparse_and_of_vggs_scale(activations):
    for block4, block5 in activations[0].values():
        assert np.isfinite(block4).all()
        assert np.isfinite(block5).all()
        # ImageNet's VGG-16 leaves most units of the last block at 0 and a few in the tens.
        assert 0.7 < (block5 == 0).mean() < 0.99
        assert 5 < block5.max() < 500
        assert 20 < block4.max() < 5000


def test_dilation_keeps_where_block_5_fires(activations):
    plain, dilated = (activations[0][d][1].mean(axis=(0, 3)) for d in (False, True))
    rows, columns = plain.shape
    coarse = dilated[: 2 * rows : 2, : 2 * columns : 2]
    assert np.corrcoef(plain[: len(coarse), : coarse.shape[1]].ravel(), coarse.ravel())[0, 1] > 0.7


def test_block_5_fires_more_on_the_object_than_beside_it(activations):
    outputs, mask = activations
    strength = outputs[False][1].mean(axis=(0, 3))
    cells = np.kron(strength, np.ones((16, 16)))[: mask.shape[0], : mask.shape[1]]
    assert cells[(mask > 0) & (mask < 255)].mean() > 1.2 * cells[mask == 0].mean()
