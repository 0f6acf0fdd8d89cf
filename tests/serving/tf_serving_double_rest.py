"""The REST interface of `tf_serving_double.py`, by the documentation of TensorFlow Serving's."""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import tensorflow as tf
from tensorflow_serving.apis import model_pb2
from tf_serving_double_models import Model, Models, Refusal

_MODEL = r"(?i)/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICT = re.compile(_MODEL + ":predict")
_STATUS = re.compile(_MODEL + "(?:/(metadata))?")
_HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


def rest_server(models: Models, faults: Any, port: int) -> ThreadingHTTPServer:
    """A server bound to `port` of this machine, not yet started."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(lambda: _status(models, self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(lambda: _predict(models, self.path, body, faults))

        def answer(self, work: Any) -> None:
            if not self.path.lower().startswith("/v1/"):
                self.send_error(404)  # By the web server in front, and not in JSON.
                return
            status = 200
            try:
                found = work()
            except Refusal as refusal:
                status = _HTTP_STATUSES.get(refusal.status, 500)
                found = {"error": str(refusal)}
            if found is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            content = json.dumps(found, indent=4).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing: standard error is for what goes wrong."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    return Server(("127.0.0.1", port), Handler)


def _status(models: Models, path: str) -> dict[str, Any]:
    match = _STATUS.fullmatch(path)
    if match is None:
        raise Refusal("INVALID_ARGUMENT", f"Malformed request: GET {path}")
    spec = _spec(match)
    if not match.group(4):
        fine = {"error_code": "OK", "error_message": ""}
        rows = [
            {"version": str(version), "state": "AVAILABLE", "status": fine}
            for version in models.versions(spec)
        ]
        return {"model_version_status": rows}
    model = models.find(spec)
    about = {"name": spec.name, "signature_name": "", "version": str(model.version)}
    signatures = {name: {"method_name": "tensorflow/serving/predict"} for name in model.signatures}
    return {
        "model_spec": about,
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _predict(models: Models, path: str, body: bytes, faults: Any) -> dict[str, Any] | None:
    """The answer; None where the connection is to be closed without one."""
    match = _PREDICT.fullmatch(path)
    if match is None:
        raise Refusal("INVALID_ARGUMENT", f"Malformed request: POST {path}")
    fault = faults.take()
    if fault == "close":
        return None
    model = models.find(_spec(match))
    request = _parsed(body)
    name = request.get("signature_name", "serving_default")
    if name not in model.signatures:
        message = f'Serving signature name: "{name}" not found in signature def'
        raise Refusal("INVALID_ARGUMENT", message)
    if ("instances" in request) == ("inputs" in request):
        raise Refusal("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    answers = model.run(name, _inputs(request, model, name))
    values = {key: _json(key, value.numpy().tolist()) for key, value in answers.items()}
    if fault == "garbage":
        values = {key: [{"b64": "eA=="}] for key in values}
    return _formatted(values, "instances" in request)


def _spec(match: re.Match[str]) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=unquote(match.group(1)))
    if match.group(2):
        spec.version.value = int(match.group(2))
    if match.group(3):
        spec.version_label = unquote(match.group(3))
    return spec


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise Refusal("INVALID_ARGUMENT", "JSON Value: Is not object")
    return request


def _inputs(request: dict[str, Any], model: Model, signature: str) -> dict[str, Any]:
    """Tensors by name, of the row format ("instances") or the columnar one ("inputs")."""
    wanted = model.signature(signature).structured_input_signature[1]
    names = list(wanted)
    if "inputs" in request:
        given = request["inputs"]
        if not isinstance(given, dict) or set(given) == {"b64"}:
            given = {names[0]: given}
    else:
        rows = request["instances"]
        if not isinstance(rows, list) or not rows:
            raise Refusal("INVALID_ARGUMENT", "No values in 'instances' array")
        if isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
            if any(not isinstance(row, dict) or set(row) != set(names) for row in rows):
                raise Refusal("INVALID_ARGUMENT", f"keys must be equal to: {','.join(names)}")
            given = {name: [row[name] for row in rows] for name in names}
        else:
            given = {names[0]: rows}
    strings = {name for name, about in wanted.items() if about.dtype == tf.string}
    return {name: _decoded(value) if name in strings else value for name, value in given.items()}


def _decoded(value: Any) -> Any:
    """Strings, of which {"b64": ...} stands for bytes; nested lists of them."""
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            message = "JSON Value: not formatted correctly for base64 data"
            raise Refusal("INVALID_ARGUMENT", message) from error
    return value


def _json(name: str, value: Any) -> Any:
    """Bytes of outputs that are called `*_bytes` become {"b64": ...}, others text."""
    if isinstance(value, list):
        return [_json(name, each) for each in value]
    if isinstance(value, bytes):
        return (
            {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode()
        )
    return value


def _formatted(values: dict[str, Any], rows: bool) -> dict[str, Any]:
    """The answer in the format of the request; a single output goes without its name."""
    if len(values) == 1:
        (only,) = values.values()
        return {"predictions" if rows else "outputs": only}
    if not rows:
        return {"outputs": values}
    counts = range(len(next(iter(values.values()))))
    return {"predictions": [{name: values[name][index] for name in values} for index in counts]}
