"""onnxruntime sessions on the device that is asked for, or an error: never on another one."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from typing import Any

from wsss_tf.errors import BundleError, WsssError

# The provider of each device, and those that may take the operators that it has not.
PROVIDERS: dict[str, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ),
}
_OPTIONS: dict[str, dict[str, str]] = {
    # The exhaustive search would try all algorithms again for each new size of a photo.
    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"},
}
_GET_CPU = 'pip install "wsss-tf[onnx-cpu]"'
_GET_GPU = 'pip uninstall onnxruntime, then pip install "wsss-tf[onnx-gpu]"'
# What onnxruntime raises for a file that is no model of its kind, on any device.
_ABOUT_THE_FILE = ("InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented")
_HEAVY = ("Conv", "FusedConv", "ConvTranspose", "QLinearConv", "ConvInteger", "MatMul", "Gemm")


def cpu_threads() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def check_provider(provider: str) -> None:
    """Raises ValueError for a provider that is none of `PROVIDERS`."""
    if not isinstance(provider, str) or provider not in PROVIDERS:
        raise ValueError(
            f"`provider` must be one of {', '.join(PROVIDERS)}. Received: provider={provider!r}."
        )


def open_session(content: bytes, *, provider: str, threads: int, name: str) -> Any:
    """Opens an `onnxruntime.InferenceSession` whose work is done by the provider asked for.

    Args:
        content: of an ONNX file.
        provider: "cpu", "cuda" or "tensorrt".
        threads: of one operator on the CPU.
        name: of the file, for messages.

    Raises:
        ValueError: another `provider`.
        WsssError: onnxruntime is missing, or the provider is, or it does not load, or the session
            would leave the network's convolutions to another one. Names the package to install.
        BundleError: the file is no model that onnxruntime can run.
    """
    check_provider(provider)
    chain = PROVIDERS[provider]
    runtime = _runtime(provider)
    try:
        session = runtime.InferenceSession(
            content,
            _options(runtime, threads),
            providers=[(each, _OPTIONS.get(each, {})) for each in chain],
            enable_fallback=0,  # Neither here nor when it runs.
        )
    except Exception as error:  # onnxruntime's errors have no base of their own.
        text = _reason(error)
        if provider != "cpu" and type(error).__name__ not in _ABOUT_THE_FILE:
            raise _unusable(provider, text) from error
        raise BundleError(f"{name}: onnxruntime cannot load it: {text}") from error
    _check_used(session, provider, chain[0])
    return session


def _runtime(provider: str) -> Any:
    """The module, once it is known to have been built with the provider."""
    try:
        import onnxruntime
    except ImportError as error:
        get = _GET_CPU if provider == "cpu" else _GET_GPU
        raise WsssError(f"This needs onnxruntime ({error}). Install with: {get}") from error
    available = onnxruntime.get_available_providers()
    if PROVIDERS[provider][0] not in available:
        raise WsssError(
            f"provider {provider!r} is not in this onnxruntime {onnxruntime.__version__}, which "
            f"has {', '.join(available)}. The two packages exclude each other: {_GET_GPU}; or ask "
            "for --provider cpu."
        )
    if provider != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        # Finds CUDA and cuDNN where pip has put them; what it cannot find, the session tells.
        with contextlib.suppress(OSError):
            onnxruntime.preload_dlls()
    return onnxruntime


def _options(runtime: Any, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # What keeps a session from being used is raised.
    # Photos have sizes of their own: plans and blocks of earlier sizes would only pile up.
    options.enable_mem_pattern = False
    # Waiting threads would take the decoders' CPUs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _check_used(session: Any, provider: str, wanted: str) -> None:
    """onnxruntime only warns where a provider does not load, and works on the CPU instead."""
    if wanted not in session.get_providers():
        raise _unusable(provider, f"onnxruntime took {', '.join(session.get_providers())} instead")
    if provider == "cpu" or not hasattr(session, "get_provider_graph_assignment_info"):
        return
    work: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        work[part.ep_name] += sum(node.op_type in _HEAVY for node in part.get_nodes())
    if any(work.values()) and not work[wanted]:
        raise _unusable(provider, f"onnxruntime gave its work to {', '.join(work)} instead")


def _reason(error: Exception) -> str:
    """One line of an error of onnxruntime, without the C++ function that it comes from."""
    text = " ".join(str(error).split())
    failure = re.search(r"(CUDA|CUDNN|CUBLAS) failure \d+: [^;]+", text)
    told = failure[0] if failure else re.sub(r"^.*? [\w:~]+\([^)]*\) ", "", text)
    return told.strip().rstrip(".")[:300]


def _unusable(provider: str, reason: str) -> WsssError:
    libraries = "CUDA and cuDNN of the versions that [onnx-gpu] brings"
    if provider == "tensorrt":
        libraries += ", and TensorRT 10, which it does not bring"
    return WsssError(
        f"provider {provider!r} cannot be used here: {reason}. It needs a GPU, its driver, "
        f"{libraries}; `wsss-tf doctor` shows what loads. Nothing was run on another device."
    )
