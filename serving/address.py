"""Where a server of TensorFlow Serving is, and which of its models is asked for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_SCHEMES = ("http", "https", "grpc", "grpcs")
REST_PORT, GRPC_PORT = 8501, 8500
"""The ports of `tensorflow_model_server` and its image, where nothing else was said."""


@dataclass(frozen=True)
class Address:
    """A server's address.

    Attributes:
        scheme: "http", "https" (REST), "grpc" or "grpcs" (gRPC).
        host: name or number; without the brackets of IPv6.
        port: None for that of the scheme.
        path: of REST behind a proxy, in front of "/v1"; "" as a rule.
    """

    scheme: str
    host: str
    port: int | None
    path: str = ""

    @property
    def is_grpc(self) -> bool:
        """Whether it is spoken to by gRPC."""
        return self.scheme.startswith("grpc")

    @property
    def is_secure(self) -> bool:
        """Whether TLS is used."""
        return self.scheme in ("https", "grpcs")

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, which no proxy can stand for."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def target(self) -> str:
        """host:port, as gRPC takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.target}{self.path}"


@dataclass(frozen=True)
class ModelChoice:
    """A model of a server: its latest version, or one by number or by label.

    Raises:
        ValueError: a name, version or label that none can have, or both of the latter.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"`model` must be a model's name. Received: model={self.name!r}.")
        whole = isinstance(self.version, int) and not isinstance(self.version, bool)
        if self.version is not None and not (whole and 0 <= self.version < 1 << 63):
            raise ValueError(
                "`version` must be a whole number of 0 to 2**63 - 1. Received: "
                f"version={self.version!r}. A label such as 'stable' goes into `label`."
            )
        if self.label is not None and not (isinstance(self.label, str) and self.label):
            raise ValueError(f"`label` must be a version's label. Received: label={self.label!r}.")
        if self.version is not None and self.label is not None:
            raise ValueError(
                "`version` and `label` must not both be given. Received: "
                f"version={self.version}, label={self.label!r}. Leave one out."
            )

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version} of the model {self.name!r}"
        if self.label is not None:
            return f"a version labelled {self.label!r} of the model {self.name!r}"
        return f"the model {self.name!r}"


def parse_address(url: str) -> Address:
    """Reads `scheme://host[:port]`, and a path for REST.

    Raises:
        ValueError: it is none; says what to write instead.
    """
    if not isinstance(url, str):
        raise ValueError(f"`url` must be text. Received: {type(url).__name__}.")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES or any(letter.isspace() for letter in url):
        raise ValueError(_about_scheme(url, rest if separator else url))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # As a connection does, with an error of its own kind.
    except ValueError as error:
        raise ValueError(
            f"`url` must be scheme://host:port. Received: url={url!r} ({error})."
        ) from error
    if not host:
        raise ValueError(f"`url` must name a host. Received: url={url!r}.")
    _check_rest(url, parts)
    if port is None and parts.scheme.startswith("grpc"):
        port = GRPC_PORT
    return Address(parts.scheme, host, port, parts.path.rstrip("/"))


def _about_scheme(url: str, rest: str) -> str:
    host = rest.strip().partition("/")[0] or f"127.0.0.1:{REST_PORT}"
    scheme = "grpc" if host.endswith(f":{GRPC_PORT}") else "http"
    return (
        "`url` must begin with http:// or https:// for REST, or with grpc:// or grpcs:// for gRPC, "
        f"and hold no blanks. Received: url={url!r}. Write '{scheme}://{host}'."
    )


def _check_rest(url: str, parts: SplitResult) -> None:
    """Refuses what a base address does not have: a user, a query, the path of a request."""
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "`url` must hold no user and no password: neither is sent. Let a proxy in front of "
            "the server check who asks, or a network that only you can reach."
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError(f"`url` must have no query and no fragment. Received: url={url!r}.")
    if "/v1" in parts.path:
        base = url[: url.index("/v1")]
        raise ValueError(
            f"`url` must end before '/v1'; the model goes into `model`. Received: url={url!r}. "
            f"Write {base!r}."
        )
    if parts.scheme.startswith("grpc") and parts.path.strip("/"):
        raise ValueError(f"A gRPC `url` must have no path. Received: url={url!r}.")
