"""Ask a cluster something as a stranger would, without a token: it must refuse.

The head of a Ray cluster speaks gRPC, which is HTTP/2. Ray's own client cannot be used here, since this process has a
token and sends it; and gRPC's library is not among Ray's requirements. So one request is written out by hand.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import time
import urllib.error
import urllib.request
from typing import Literal

Answer = Literal["refused", "answered", "unclear", "nobody"]

_TIMEOUT_SECONDS = 5.0
# The first request of every Ray client; all of them pass the same check of the token.
_METHOD = "/ray.rpc.NodeInfoGcsService/GetClusterId"
# https://grpc.io/docs/guides/status-codes: 0 is OK, 7 is PERMISSION_DENIED, 16 is UNAUTHENTICATED.
_STATUS = b"grpc-status"
_MEANING: dict[bytes, Answer] = {b"\x010": "answered", b"\x017": "refused", b"\x0216": "refused"}


def ask_head(address: str, token: str | None = None) -> Answer:
    """Ask the head of a cluster for the cluster's id.

    Args:
        address: ``HOST:PORT`` of the head.
        token: token to send; None to ask as a stranger.

    Returns:
        ``refused`` when the head does not take who asks, ``answered`` when it does, ``nobody`` when nothing listens
        there, else ``unclear``.
    """
    host, _, port = address.rpartition(":")
    try:
        head = socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_SECONDS)
    except (OSError, UnicodeError):  # the latter for a host that no name of a machine can be
        return "nobody"
    reply = b""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    with head, contextlib.suppress(OSError):
        head.settimeout(_TIMEOUT_SECONDS)
        head.sendall(_request(address, token))
        while _status(reply) is None and time.monotonic() < deadline and (more := head.recv(65536)):
            reply += more
    return _MEANING.get(_status(reply) or b"", "unclear")


def ask_dashboard(url: str) -> Answer:
    """Ask a dashboard for its list of jobs, without a token.

    Args:
        url: its address, such as ``http://127.0.0.1:8265``.

    Returns:
        ``refused`` for 401 or 403, ``answered`` for any success, else ``unclear``.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/api/jobs/", timeout=_TIMEOUT_SECONDS):
            return "answered"
    except urllib.error.HTTPError as error:
        return "refused" if error.code in {401, 403} else "unclear"
    except (OSError, ValueError, http.client.HTTPException):  # the last where no HTTP is spoken, as on Ray's own port
        return "unclear"


def _request(address: str, token: str | None) -> bytes:
    """Return an HTTP/2 connection with one gRPC request whose message is empty (RFC 9113, RFC 7541 section 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": _METHOD,
        ":authority": address,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    if token:
        fields["authorization"] = f"Bearer {token}"
    headers = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    settings, end_of_headers, end_of_stream = _frame(4, 0, 0, b""), 4, 1
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + settings
        + _frame(1, end_of_headers, 1, headers)
        + _frame(0, end_of_stream, 1, bytes(5))
    )


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    encoded = text.encode()
    length = bytearray([min(len(encoded), 127)])
    rest = len(encoded) - 127
    while rest >= 0:  # an integer with a prefix of seven bits, RFC 7541 section 5.1
        length.append(rest % 128 + (128 if rest >= 128 else 0))
        rest = rest // 128 if rest >= 128 else -1
    return bytes(length) + encoded


def _status(reply: bytes) -> bytes | None:
    """Return the status in a reply as length and text, or None where it has not come yet."""
    _, found, after = reply.partition(_STATUS)
    end = 1 + after[0] if found and after else 0
    return after[:end] if end and len(after) >= end else None
