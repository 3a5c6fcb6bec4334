"""A call through a real server is told to a collector in OpenTelemetry's words."""

from __future__ import annotations

import json
import queue
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from serving import serving

SECONDS_MAX = 10


@contextmanager
def collector() -> Iterator[tuple[str, queue.Queue[Any]]]:
    """Takes reports; gives its address and what came."""
    heard: queue.Queue[Any] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def counts(report: Any) -> dict[str, int]:
    metrics = report["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    return {metric["name"]: sum(int(one["count"]) for one in metric["histogram"]["dataPoints"]) for metric in metrics}


def test_a_call_shows_in_the_collectors_next_report(tmp_path) -> None:
    with collector() as (endpoint, heard):
        config = tmp_path / "waypost.toml"
        config.write_text(f'[telemetry]\nendpoint = "{endpoint}"\ninterval_seconds = 0.2\n')
        with serving(tmp_path / "data", "--config", str(config)) as server:
            body = {"model": "practice/parrot", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
            request = urllib.request.Request(
                f"{server.address}/v1/chat/completions",
                json.dumps(body).encode(),
                {"authorization": f"Bearer {server.token}", "content-type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
                assert answer.status == 200
            while not (told := counts(heard.get(timeout=SECONDS_MAX)))["gen_ai.client.operation.duration"]:
                pass
    assert told["gen_ai.client.operation.duration"] == 1
    assert told["gen_ai.client.token.usage"] == 2
