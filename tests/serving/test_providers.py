"""A provider that is asked for runs the network, or there is an error; nothing falls back."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from wsss_tf.errors import BundleError, WsssError
from wsss_tf.serving import Segmenter, open_bundle
from wsss_tf.serving.network import Network
from wsss_tf.serving.providers import open_session

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def test_the_cpu_is_there(tiny):
    session = open_session(tiny.brightness_model(), provider="cpu", threads=1, name="m")
    assert session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_not_built_in_names_the_package(bundle, provider):
    with pytest.raises(WsssError, match=f"provider '{provider}' is not in this") as caught:
        Segmenter(bundle, provider=provider)
    assert 'pip install "wsss-tf[onnx-gpu]"' in str(caught.value)


def test_an_unknown_provider_is_a_wrong_argument(bundle):
    with pytest.raises(ValueError, match="`provider` must be one of cpu, cuda, tensorrt"):
        Segmenter(bundle, provider="gpu")


@pytest.mark.parametrize(("provider", "extra"), [("cpu", "onnx-cpu"), ("cuda", "onnx-gpu")])
def test_without_onnxruntime_the_extra_is_named(monkeypatch, bundle, provider, extra):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WsssError, match=rf'pip install "wsss-tf\[{extra}\]"'):
        Segmenter(bundle, provider=provider)


class FakeSession:
    """Stands for a session of an onnxruntime with CUDA."""

    providers = ("CPUExecutionProvider",)
    work: dict[str, list[str]] | None = None

    def __init__(self, content, options, providers, enable_fallback):
        assert not enable_fallback
        if self.work is not None:
            self.get_provider_graph_assignment_info = self.assigned

    def get_providers(self):
        return list(self.providers)

    def assigned(self):
        return [
            SimpleNamespace(
                ep_name=name, get_nodes=lambda ops=ops: [SimpleNamespace(op_type=op) for op in ops]
            )
            for name, ops in self.work.items()
        ]


@pytest.fixture
def fake(monkeypatch):
    """Installs a `FakeSession` whose attributes a test sets."""
    session = type("Session", (FakeSession,), {})
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    return session


def test_a_session_that_fell_back_is_an_error(fake):
    with pytest.raises(WsssError, match="cannot be used here: onnxruntime took CPUExecution"):
        open_session(b"", provider="cuda", threads=1, name="m")


def test_a_session_that_gave_its_convolutions_away_is_an_error(fake):
    fake.providers = ("CUDAExecutionProvider", "CPUExecutionProvider")
    fake.work = {"CUDAExecutionProvider": ["Cast"], "CPUExecutionProvider": ["Conv", "Shape"]}
    with pytest.raises(WsssError, match="gave its work to CUDAExecutionProvider, CPUExecution"):
        open_session(b"", provider="cuda", threads=1, name="m")


@pytest.mark.parametrize(
    "work",
    [
        None,
        {"CUDAExecutionProvider": ["Conv", "Cast"], "CPUExecutionProvider": ["Shape"]},
        {"CUDAExecutionProvider": ["Sub"], "CPUExecutionProvider": ["Shape"]},
    ],
    ids=["not told", "convolutions", "none to have"],
)
def test_a_session_that_is_used_passes(fake, work):
    fake.providers = ("CUDAExecutionProvider", "CPUExecutionProvider")
    fake.work = work
    assert open_session(b"", provider="cuda", threads=1, name="m")


def test_a_provider_that_fails_to_load_is_told_as_such(fake):
    def fails(self, *arguments, **options):
        raise RuntimeError("CUDAExecutionProvider: libcudnn.so.9: cannot open shared object file")

    fake.__init__ = fails
    with pytest.raises(WsssError, match="Nothing was run on another device") as caught:
        open_session(b"", provider="cuda", threads=1, name="m")
    assert "libcudnn.so.9" in str(caught.value)


# As onnxruntime-gpu 1.26 raises them on a machine without a driver, and without TensorRT.
_NO_DRIVER = (
    "/src/core/providers/cuda/cuda_call.cc:122 std::conditional_t<THRW, void, common::Status> "
    "onnxruntime::CudaCall(ERRTYPE, const char*, int) [with ERRTYPE = cudaError] CUDA failure 35: "
    "CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; "
    "file=/src/core/providers/cuda/cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice();"
)
_NO_TENSORRT = (
    "/src/python/onnxruntime_pybind_state.cc:534 void onnxruntime::python::RegisterTensorRTPlugins"
    "AsCustomOps(PySessionOptions&, const onnxruntime::ProviderOptions&) Please install TensorRT "
    "libraries, and make sure that your GPU is supported.\n"
)


@pytest.mark.parametrize(
    ("provider", "raised", "told"),
    [
        ("cuda", _NO_DRIVER, "here: CUDA failure 35: CUDA driver version is insufficient for CUDA "
         "runtime version. It needs"),
        ("tensorrt", _NO_TENSORRT, "here: Please install TensorRT libraries, and make sure that "
         "your GPU is supported. It needs"),
    ],
)  # fmt: skip
def test_what_a_provider_lacks_is_one_line(fake, capfd, provider, raised, told):
    def fails(self, *arguments, **options):
        raise RuntimeError(raised)

    fake.__init__ = fails
    with pytest.raises(WsssError) as caught:
        open_session(b"", provider=provider, threads=1, name="m")
    assert told in str(caught.value)
    assert "cuda_call.cc" not in str(caught.value)
    assert ("TensorRT 10" in str(caught.value)) == (provider == "tensorrt")
    assert capfd.readouterr().out == ""  # Where onnxruntime would tell of its fall-back.


def test_a_file_that_is_no_model_is_not_the_providers_fault(fake):
    def fails(self, *arguments, **options):
        raise type("InvalidProtobuf", (Exception,), {})("Protobuf parsing failed.")

    fake.__init__ = fails
    with pytest.raises(BundleError, match="m: onnxruntime cannot load it: Protobuf parsing failed"):
        open_session(b"", provider="cuda", threads=1, name="m")


@pytest.mark.parametrize("probabilities", [False, True])
def test_io_binding_gives_what_a_plain_run_does(tiny, bundle, probabilities):
    """On the CPU's memory, as no GPU is needed to see that the right output comes back."""
    network = Network(open_bundle(bundle), provider="cpu", precision="fp32", threads=1)
    batch = np.stack([tiny.noise(9, 7, seed) for seed in range(3)])
    output = "probabilities" if probabilities else "labels"
    np.testing.assert_array_equal(network._bound(batch, output), network._run(batch, output))


@pytest.mark.skipif(not HAS_CUDA, reason="this onnxruntime has no CUDA")
def test_cuda_gives_the_labels_of_the_cpu(tiny, bundle):
    photos = [tiny.noise(40, 50, seed) for seed in range(4)]
    found = [each.labels for each in Segmenter(bundle, provider="cuda")(photos)]
    np.testing.assert_array_equal(found, [tiny.expected(photo) for photo in photos])
