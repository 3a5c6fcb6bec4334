"""Telemetry on its way to a collector: a real HTTP server on loopback."""

import asyncio
import json
import logging
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from waypost.door.otlp import Collector


@contextmanager
def collector(statuses):
    """Answers with the given statuses in turn, the last one for ever; keeps what it was sent."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.path, self.headers["content-type"], json.loads(body)))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_GET(self):
            heard.append((self.path, None, None))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args):
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


@pytest.mark.parametrize("path", ["", "/", "/v1/metrics"])
def test_a_report_is_posted_as_json_where_collectors_take_it(run, path):
    with collector([200]) as (address, heard):
        assert run(Collector(address + path, lambda: {"resourceMetrics": []}).send())
    assert heard == [("/v1/metrics", "application/json", {"resourceMetrics": []})]


def test_trouble_is_logged_once_and_its_end_too(run, caplog):
    async def main(address):
        sender = Collector(address, dict)
        return [await sender.send() for _ in range(4)]

    with collector([503, 302, 200]) as (address, heard), caplog.at_level(logging.WARNING):
        assert run(main(address)) == [False, False, True, True]
    assert len(heard) == 4, "a redirect is not followed"
    assert len(caplog.records) == 2
    assert "503" in caplog.text
    assert "again" in caplog.text


def test_a_collector_that_is_not_there_is_trouble_and_no_more(run):
    assert run(Collector("http://127.0.0.1:9", dict).send()) is False


def test_the_last_report_goes_out_when_the_sender_is_stopped(run):
    async def main(address):
        sender = Collector(address, lambda: {"last": True}, interval_seconds=3600)
        await sender.close()
        sender.start()
        await asyncio.sleep(0)
        await sender.close()

    with collector([200]) as (address, heard):
        run(main(address))
    assert [body for _, _, body in heard] == [{"last": True}]


def test_only_http_addresses_are_taken():
    with pytest.raises(ValueError, match="no http address"):
        Collector("file:///etc/passwd", dict)
