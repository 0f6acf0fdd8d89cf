"""Fetches an archive: from mirrors in turn, going on after a break, its SHA-256 compared."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from wsss_tf import __version__, files
from wsss_tf.errors import DataError, RunError

TIMEOUT_S = 30.0
"""How long a host may be silent."""
_CHUNK = 1 << 20
_TRIES = 3
_HOST_ERRORS = (http.client.HTTPException, OSError)  # URLError and time-outs are OSErrors.


class _HostError(Exception):
    """Why a mirror gave nothing of use."""


def fetch(
    name: str,
    mirrors: Sequence[str],
    sha256: str | None,
    folder: str | os.PathLike[str],
    say: Callable[[str], None],
) -> Path:
    """Downloads a file unless it is there; begun before, it goes on where it ended.

    FOLDER/NAME.part grows until the content is whole and has its digest; only then it gets its
    name. A bar on stderr shows how far it is.

    Args:
        name: of the file.
        mirrors: addresses (http, https) of the same file, tried in turn.
        sha256: of the file; None where no digest is known that can be relied on: `say` tells.
        folder: made if missing.
        say: shows a line to the user.

    Returns:
        Path of the file.

    Raises:
        DataError: no mirror gave it, with the reason of each; or the file that is there has
            another digest.
        RunError: the folder cannot be written to, or another process fetches the file.
    """
    path = Path(folder) / name
    if os.path.isdir(path):
        raise DataError(f"{path}: must be the archive. Received: a folder. Move it away.")
    if os.path.exists(path):
        if sha256 is not None and files.sha256(path) != sha256:
            raise DataError(
                f"{path}: must have the SHA-256 {sha256}, and has another. Delete it to have it "
                "fetched again."
            )
        return path
    reasons = []
    with _opened_part(path) as part:
        for mirror in mirrors:
            say(f"Fetching {name} from {mirror}")
            try:
                _fetch_from(mirror, part, sha256)
            except _HostError as error:
                reasons.append(f"{mirror}: {error}.")
                say(f"  {error}.")
                continue
            if sha256 is None:
                say(f"{name}: no digest of it is known here; whether it is the original is open.")
            part.become(path)
            return path
    raise DataError(
        "\n  ".join(
            (
                f"{name}: no host gave it. Try again later (what has come is kept), or get it in "
                f"another way and put it into {path.parent}.",
                *reasons,
            )
        )
    )


class _Part:
    """The file NAME.part, locked, and beside it NAME.part.json: which version of it this is."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._origin = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def validator(self, mirror: str) -> str | None:
        """The version of the mirror's file that this is a part of, for If-Range; None: unknown."""
        try:
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            return origin["version"] if origin["mirror"] == mirror else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, mirror: str, version: str | None) -> None:
        """Empties the file, which from now on is of one version of a mirror's."""
        with _named_errors(self.path):
            os.ftruncate(self._descriptor, 0)
        files.write_json(self._origin, {"mirror": mirror, "version": version})

    def append(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        with _named_errors(self.path):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def become(self, path: Path) -> None:
        """Gives the file its name."""
        with _named_errors(path):
            os.fsync(self._descriptor)
            os.replace(self.path, path)
        files.remove(self._origin)


@contextlib.contextmanager
def _opened_part(path: Path) -> Iterator[_Part]:
    part = path.with_name(f"{path.name}.part")
    with _named_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{part}: another process fetches it. Wait for that to end.") from error
        yield _Part(part, descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _fetch_from(mirror: str, part: _Part, sha256: str | None) -> None:
    """Makes `part` the whole file of a mirror, of that digest; _HostError where that fails."""
    resumed = part.size > 0
    _receive_all(mirror, part, sha256)
    if sha256 is None or (found := files.sha256(part.path)) == sha256:
        return
    part.begin(mirror, None)
    if not resumed:
        raise _HostError(f"gave another file, of SHA-256 {found} in place of {sha256}")
    # What was there before may have been wrong, not what came now.
    _fetch_from(mirror, part, sha256)


def _receive_all(mirror: str, part: _Part, sha256: str | None) -> None:
    """Receives until the file is whole, by the length told; _TRIES times without any progress."""
    failures = 0
    while True:
        before = part.size
        try:
            if _receive(mirror, part, sha256):
                return
            reason = "broke off"
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise _HostError(f"answered {error.code} {error.reason}") from error
            if sha256 is not None and files.sha256(part.path) == sha256:
                return  # All had come before; there is nothing behind it.
            reason = "does not go on"
            part.begin(mirror, None)
        except _HOST_ERRORS as error:
            cause = getattr(error, "reason", error)
            reason = f"cannot be reached or broke off ({cause})"
        failures = 0 if part.size > before else failures + 1
        if failures == _TRIES:
            raise _HostError(reason)


def _receive(mirror: str, part: _Part, sha256: str | None) -> bool:
    """Appends what a mirror sends to `part`; returns whether it is whole, by the length told."""
    request = urllib.request.Request(mirror, headers={"User-Agent": f"wsss-tf/{__version__}"})
    validator = part.validator(mirror)
    # With a digest to compare, any mirror may go on; without, only with the version it began.
    if part.size and (sha256 is not None or validator):
        request.add_header("Range", f"bytes={part.size}-")
        if sha256 is None and validator:
            request.add_header("If-Range", validator)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        headers = response.headers
        goes_on = f"bytes {part.size}-"
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            etag = headers.get("ETag")
            strong = etag if etag and not etag.startswith("W/") else None
            part.begin(mirror, strong or headers.get("Last-Modified"))
        elif not headers.get("Content-Range", "").startswith(goes_on):
            raise http.client.HTTPException("another part came than the one asked for")
        length = headers.get("Content-Length")
        total = part.size + int(length) if length else None
        name = part.path.name.removesuffix(".part")
        bar = tqdm(total=total, initial=part.size, unit="B", unit_scale=True, desc=name)
        with bar:
            while chunk := response.read(_CHUNK):
                part.append(chunk)
                bar.update(len(chunk))
        return total is None or part.size == total
