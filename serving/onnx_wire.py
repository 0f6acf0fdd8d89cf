"""Whether an ONNX file keeps weights in other files, read from its bytes without the onnx package.

An ONNX file is a protobuf message. Of each field there are a number, a wire type and a value; the
table below says under which numbers the messages lie that may hold a tensor, from onnx.proto.
"""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
_DATA_LOCATION, _EXTERNAL = 14, 1
_KEY, _VALUE = 1, 2


def external_data(content: bytes) -> str | None:
    """Where the first tensor with external data keeps it; None where all are in the file.

    Args:
        content: of an ONNX file.

    Raises:
        ValueError: the content is no ONNX file, or cut short.
    """
    if not content:
        raise ValueError("it is empty")
    left = [("model", 0, len(content))]
    while left:  # Not by recursion, which a hostile file would drive too deep.
        kind, start, end = left.pop()
        for number, wire, first, last in _fields(content, start, end):
            inside = _INSIDE[kind].get(number) if wire == _BYTES else None
            if inside == "external":
                return _location(content, start, end)
            if inside:
                left.append((inside, first, last))
            elif (kind, number, wire) == ("tensor", _DATA_LOCATION, _VARINT) and _varint(
                content, first, last
            )[0] == _EXTERNAL:
                return _location(content, start, end)
    return None


def _fields(content: bytes, start: int, end: int):
    """Yields number, wire type, and where the value begins and ends, of each field."""
    place = start
    while place < end:
        key, place = _varint(content, place, end)
        wire, first = key & 7, place
        if wire == _VARINT:
            _, place = _varint(content, place, end)
        elif wire == _BYTES:
            length, first = _varint(content, place, end)
            place = first + length
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"it has a field of wire type {wire}")
        if place > end or key >> 3 == 0:
            raise ValueError("it is cut short or damaged")
        yield key >> 3, wire, first, place


def _varint(content: bytes, place: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for count in range(10):
        if place >= end:
            break
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place
    raise ValueError("it is cut short or damaged")


def _location(content: bytes, start: int, end: int) -> str:
    """The text under the key `location` of a tensor."""
    for number, wire, first, last in _fields(content, start, end):
        if (number, wire) == (13, _BYTES):
            pair = {n: content[a:b] for n, w, a, b in _fields(content, first, last) if w == _BYTES}
            if pair.get(_KEY) == b"location":
                return pair.get(_VALUE, b"").decode("utf-8", "replace")
    return "a file that is not named"
