"""Weight files from strangers: what is refused, and that refusing is cheap."""

import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from wsss_tf.errors import CheckpointError
from wsss_tf.nets import vgg, weight_files, weights

WIDTH = 0.02


def arrays_for(model, generator):
    return {
        f"{layer.name}_{part}": generator.normal(size=getattr(layer, part).shape).astype("float32")
        for layer in model.layers
        if layer.weights
        for part in ("kernel", "bias")
    }


def write_h5(path, arrays, **options):
    """The layout of keras.applications: one group a layer, a nested name for each weight."""
    names = {"fc6": "fc1", "fc7": "fc2"}
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            layer, _, part = name.rpartition("_")
            layer = names.get(layer, layer)
            part = {"kernel": "W_1:0", "bias": "b_1:0"}[part]
            file.create_dataset(f"{layer}/{layer}_{part}", data=array, **options)


@pytest.fixture(scope="module")
def model():
    return vgg.activation_network(width=WIDTH)


@pytest.fixture
def arrays(model, random_generator):
    return arrays_for(model, random_generator)


def write(path, arrays):
    if path.suffix == ".h5":
        write_h5(path, arrays)
    else:
        save = np.savez_compressed if path.stem == "compressed" else np.savez
        save(path, **arrays)


FILES = pytest.mark.parametrize("name", ["plain.npz", "compressed.npz", "plain.h5"])


@FILES
def test_files_give_back_what_was_written(name, arrays, tmp_path):
    path = tmp_path / name
    write(path, arrays)
    opened = weight_files.open_weights(path)
    assert opened.shapes == {name: array.shape for name, array in arrays.items()}
    for name, array in arrays.items():
        np.testing.assert_array_equal(opened.read(name), array)


@FILES
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_other_floats_become_float32(name, dtype, arrays, tmp_path):
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    path = tmp_path / name
    write(path, arrays)
    array = weight_files.open_weights(path).read("block5_conv3_kernel")
    assert array.dtype == np.dtype("float32")
    np.testing.assert_array_equal(array, arrays["block5_conv3_kernel"].astype("float32"))


def test_a_fortran_ordered_array_is_read_right(arrays, tmp_path):
    fortran = {name: np.asfortranarray(array) for name, array in arrays.items()}
    np.savez(tmp_path / "w.npz", **fortran)
    opened = weight_files.open_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(opened.read("block2_conv2_kernel"), arrays["block2_conv2_kernel"])


def test_an_h5_saved_as_a_whole_model_is_read(arrays, tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, array in arrays.items():
            layer, _, part = name.rpartition("_")
            file[f"model_weights/{layer}/{layer}/{part}:0"] = array
    assert set(weight_files.open_weights(tmp_path / "w.h5").shapes) == set(arrays)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"not weights" * 99])
@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_foreign_files_are_refused(content, suffix, tmp_path):
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged, or is of another kind .* again\."):
        weight_files.open_weights(path)


def test_missing_files_and_other_suffixes_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no such weights file\. Give 'compact'"):
        weight_files.open_weights(tmp_path / "none.npz")
    (tmp_path / "w.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"must be an \.npz or \.h5 file"):
        weight_files.open_weights(tmp_path / "w.pt")


@FILES
@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_truncated_files_are_refused(name, share, arrays, model, tmp_path):
    path = tmp_path / name
    write(path, arrays)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError):
        weights.load_backbone(model, path)


@FILES
def test_flipped_bits_load_or_are_refused_but_never_crash(
    name, arrays, model, tmp_path, random_generator
):
    path = tmp_path / name
    write(path, arrays)
    content = path.read_bytes()
    refused = 0
    for position in random_generator.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(random_generator.integers(8))
        path.write_bytes(damaged)
        try:
            weights.load_backbone(model, path)
        except CheckpointError:
            refused += 1
    # Zip members carry a CRC, so nearly every flip shows; HDF5 data carry none.
    assert refused > (40 if name != "plain.h5" else 0)


def peak_of_refusing(model, path, match):
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=match):
        weights.load_backbone(model, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_an_h5_that_declares_4_gb_is_refused_cheaply(arrays, model, tmp_path):
    write_h5(tmp_path / "w.h5", arrays)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["block3_conv1/block3_conv1_W_1:0"]
        file.create_dataset("block3_conv1/block3_conv1_W_1:0", (3, 3, 10**4, 11111), "f4")
    assert (tmp_path / "w.h5").stat().st_size < 100_000
    assert peak_of_refusing(model, tmp_path / "w.h5", "block3_conv1_kernel must have") < 2e6


@pytest.mark.parametrize("shape", ["(3, 3, 10000, 11111)", "(3, 3, 1, 1)"])
def test_an_npz_whose_header_lies_is_refused_cheaply(shape, arrays, model, tmp_path):
    """Either the header declares 4 GB, or the member holds far more than its header says."""
    del arrays["block1_conv2_kernel"]
    np.savez(tmp_path / "w.npz", **arrays)
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header = text.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "w.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("block1_conv2_kernel.npy", member + bytes(30_000_000))
    assert (tmp_path / "w.npz").stat().st_size < 100_000
    match = "block1_conv2_kernel (must have shape|holds)" if "10000" in shape else "damaged"
    assert peak_of_refusing(model, tmp_path / "w.npz", match) < 2e6


def test_a_long_header_is_refused_cheaply(arrays, model, tmp_path):
    np.savez(tmp_path / "w.npz", **arrays)
    with zipfile.ZipFile(tmp_path / "w.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        size = 50_000_000
        member = b"\x93NUMPY\x02\x00" + size.to_bytes(4, "little") + bytes(size)
        archive.writestr("fc6_kernel.npy", member)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="version 1.0"):
        weight_files.open_weights(tmp_path / "w.npz")
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_pickles_and_integers_are_refused(arrays, tmp_path):
    for value in (np.array([{"a": 1}], object), np.array(["x"]), np.array([1, 2])):
        np.savez(tmp_path / "w.npz", **{**arrays, "block1_conv1_bias": value})
        with pytest.raises(CheckpointError, match="block1_conv1_bias must be one of float16"):
            weight_files.open_weights(tmp_path / "w.npz")


def test_h5_data_that_lies_elsewhere_or_unpacks_is_refused(arrays, tmp_path):
    path = tmp_path / "w.h5"
    write_h5(path, arrays, chunks=True, compression="gzip")
    with pytest.raises(CheckpointError, match="must not be chunked or compressed"):
        weight_files.open_weights(path)
    with h5py.File(path, "w") as file:
        outside = [(str(tmp_path / "other"), 0, 64)]
        file.create_dataset("block1_conv1/kernel", (16,), "f4", external=outside)
    with pytest.raises(CheckpointError, match="lies in another file"):
        weight_files.open_weights(path)
    write_h5(tmp_path / "other.h5", arrays)
    with h5py.File(path, "w") as file:
        file["block1_conv1"] = h5py.ExternalLink("other.h5", "block1_conv1")
    assert weight_files.open_weights(path).shapes == {}


def test_names_that_vgg16_does_not_have_are_refused(arrays, tmp_path):
    np.savez(tmp_path / "w.npz", **arrays, block6_conv1_kernel=np.zeros(3, "f4"))
    with pytest.raises(CheckpointError, match="block6_conv1_kernel, which VGG-16 does not have"):
        weight_files.open_weights(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", **arrays, fc6_kernel=np.zeros((3, 3), "f4"))
    with pytest.raises(CheckpointError, match=r"some fully-connected layers but not fc6_bias, fc7"):
        weight_files.open_weights(tmp_path / "w.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_weight_given_twice_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "w.npz", **arrays)
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.writestr("block1_conv1_bias.npy", archive.read("block1_conv1_bias.npy"))
    with pytest.raises(CheckpointError, match="holds a weight twice"):
        weight_files.open_weights(tmp_path / "w.npz")
    write_h5(tmp_path / "w.h5", arrays)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file["block1_conv1/momentum"] = np.zeros((3, 3), "f4")
    with pytest.raises(CheckpointError, match="block1_conv1 must hold one kernel and one bias"):
        weight_files.open_weights(tmp_path / "w.h5")


@FILES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(name, value, arrays, model, tmp_path):
    arrays["block4_conv2_kernel"][0, 0, 0, 0] = value
    path = tmp_path / name
    write(path, arrays)
    before = model.get_weights()
    with pytest.raises(CheckpointError, match="block4_conv2_kernel holds values that are not"):
        weights.load_backbone(model, path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
