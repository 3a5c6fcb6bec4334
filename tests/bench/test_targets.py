from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bench.targets import (
    Launch,
    Speech,
    TargetFailed,
    first_line,
    free_port,
    launched,
    nginx_program,
    nginx_settings,
    printed_port,
    waypost_settings,
)

from waypost.settings import load

SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
server.serve_forever()
"""


def test_a_request_says_the_kind_of_work_wherever_the_gateway_looks_for_it() -> None:
    speech = Speech("/KIND/v1", "m::KIND", (("x-host", "http://up/KIND"),))
    head, _, body = speech.request("burst").partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == "POST /burst/v1 HTTP/1.1"
    assert "x-host: http://up/burst" in lines
    assert f"content-length: {len(body)}" in lines
    assert json.loads(body)["model"] == "m::burst"
    assert json.loads(body)["stream"] is True


def test_another_model_and_another_token_take_the_place_of_the_usual_ones() -> None:
    text = Speech(headers=(("authorization", "Bearer a"),)).request("whole", "grown/1", {"authorization": "Bearer b"})
    assert "Bearer b" in text
    assert "Bearer a" not in text
    assert json.loads(text.partition("\r\n\r\n")[2])["model"] == "grown/1"


def launch(tmp_path, script: str, port: int) -> Launch:
    return Launch("server", [sys.executable, "-c", script, str(port)], port, Speech(), tmp_path / "log", None)


@pytest.mark.parametrize("port", [0, None], ids=["a port of its own choice", "a port that we choose"])
def test_a_gateway_is_there_when_it_answers(tmp_path, port) -> None:
    with launched(launch(tmp_path, SERVER, free_port() if port is None else 0)) as running:
        assert running.start_seconds > 0
        assert running.start_bytes > 1_000_000
        assert running.cpu_seconds() > 0
        running.stand_still()
        running.go_on()
        assert " 200 " in first_line(running.port, running.speech.request("whole"))


def test_a_gateway_that_ends_instead_is_quoted(tmp_path) -> None:
    with (
        pytest.raises(TargetFailed, match="server ended with 3 instead of answering: no such option"),
        launched(launch(tmp_path, "import sys; print('no such option'); sys.exit(3)", free_port())),
    ):
        pass


def test_an_address_that_is_none_is_quoted() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "print('sorry')"], stdout=subprocess.PIPE) as process,
        pytest.raises(TargetFailed, match="sorry"),
    ):
        printed_port(process)


def test_whoever_does_not_answer_is_no_answer() -> None:
    assert "refused" in first_line(free_port(), "")


def test_where_there_is_no_nginx_it_says_how_to_get_it(tmp_path) -> None:
    with pytest.raises(TargetFailed, match="apt-get install nginx-light"):
        nginx_program(str(tmp_path))
    program = tmp_path / "nginx"
    program.touch(0o700)
    assert nginx_program(f"/nowhere:{tmp_path}") == str(program)


def test_nginx_is_told_its_place_and_its_workers(tmp_path) -> None:
    text = nginx_settings(tmp_path, 81, 82, 3)
    assert "worker_processes 3;" in text
    assert "listen 127.0.0.1:81 " in text
    assert "server 127.0.0.1:82;" in text


def test_waypost_can_read_the_settings_it_is_given(tmp_path) -> None:
    file = tmp_path / "waypost.toml"
    file.write_text(waypost_settings(81, ("whole", "burst")))
    settings = load(file, {}, {})
    assert settings.providers["canned-burst"].base_url == "http://127.0.0.1:81/burst/v1"
    assert {"bench/whole", "bench/burst"} <= settings.models.keys()
