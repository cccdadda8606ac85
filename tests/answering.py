"""A small HTTP server on this machine that answers as a test wants, for what would be a cluster or a proxy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


#: Told the path and the ``Authorization`` of a GET request.
Answering: TypeAlias = Callable[[str, str | None], Answer]


@contextmanager
def answering(answer: Answering) -> Iterator[str]:
    """Answer GET requests, and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = answer(self.path, self.headers.get("Authorization"))
            self.send_response(given.status)
            for name, value in {**given.headers, "Content-Length": str(len(given.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.content)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
