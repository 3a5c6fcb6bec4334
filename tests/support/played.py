"""A server for blocking clients: plays one prepared reply for each connection, and keeps what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

SECONDS_MAX = 10.0


class Played(NamedTuple):
    """The server, and every request it got."""

    url: str
    asked: list[bytes]


def reply(body: bytes | Any = b"", status: str = "200 OK", *lines: str) -> bytes:
    """A whole reply; what is no bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"content-length: {len(data)}", *lines, "", ""]
    return "\r\n".join(head).encode() + data


def streamed(*events: Any, lines: Sequence[str] = (), done: bool = True) -> bytes:
    """A reply that is a stream of events; it ends with the connection."""
    head = ["HTTP/1.1 200 OK", "content-type: text/event-stream", "connection: close", *lines, "", ""]
    frames = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return "\r\n".join(head).encode() + frames + (b"data: [DONE]\n\n" if done else b"")


@contextmanager
def played(*replies: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Played]:
    """Serve the replies in turn, the last one again and again."""
    waiting = list(replies)
    with answering(lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0], tls) as server:
        yield server


@contextmanager
def played_at(**documents: Any) -> Iterator[Played]:
    """Serve a JSON document at each path, written with `_` for `/`; 404 elsewhere."""
    bodies = {"/" + name.replace("_", "/"): reply(document) for name, document in documents.items()}
    missing = reply({"error": "Not Found"}, "404 Not Found")
    with answering(lambda request: bodies.get(request.split()[1].decode().partition("?")[0], missing)) as server:
        yield server


@contextmanager
def answering(answer: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> Iterator[Played]:
    """Serve what a function says of each request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "https" if tls else "http"
        server = Played(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", [])
        stop = threading.Event()
        thread = threading.Thread(target=_play, args=(listener, stop, answer, server.asked, tls))
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            with suppress(OSError), socket.create_connection(listener.getsockname(), SECONDS_MAX):
                pass
            thread.join(SECONDS_MAX)
    assert not thread.is_alive()


def _play(
    listener: socket.socket,
    stop: threading.Event,
    answer: Callable[[bytes], bytes],
    asked: list[bytes],
    tls: ssl.SSLContext | None,
) -> None:
    while True:
        sock, _ = listener.accept()
        with sock:
            if stop.is_set():
                return
            sock.settimeout(SECONDS_MAX)
            with suppress(OSError):
                line = tls.wrap_socket(sock, server_side=True) if tls else sock
                with line:
                    asked.append(_request(line))
                    line.sendall(answer(asked[-1]))


def _request(line: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        data = line.recv(65_536)
        if not data:
            return text
        text += data
    head, _, body = text.partition(b"\r\n\r\n")
    for field in head.lower().split(b"\r\n"):
        if field.startswith(b"content-length:"):
            while len(body) < int(field.partition(b":")[2]):
                body += line.recv(65_536)
    return head + b"\r\n\r\n" + body
