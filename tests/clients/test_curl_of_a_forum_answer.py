"""The commands that a forum answer gives to somebody with a 401, as printed but for the host, and what they find here.

There, one 401 stood for a missing token, a dead one, a preference and an empty purse alike. Here each has its own code.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from waypost_process import Waypost

STEPS = Path(__file__).with_name("forum_answer.md")
HOST = "https://router.huggingface.co"
PREFERENCES = "/api/settings/inference-providers"


def printed(step: int) -> str:
    """The command of a step, with its indentation taken away."""
    text = re.search(rf"^### Step {step}:.*?\n\n(.*?)(?=^###|\Z)", STEPS.read_text(), re.DOTALL | re.MULTILINE)
    assert text
    return "\n".join(line.removeprefix("    ") for line in text[1].rstrip().splitlines())


class Heard(NamedTuple):
    """What `curl -i` has shown."""

    status: int
    headers: dict[str, str]
    body: Any


def typed(router: Waypost, command: str, token: str) -> Heard:
    """Run a curl command as a person would, with its host changed and the token in the environment."""
    assert HOST in command
    environ = {**os.environ, "HF_TOKEN": token}  # noqa: TID251 (for the command)
    shell = ["sh", "-c", command.replace(HOST, router.address)]
    done = subprocess.run(shell, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition("\n\n")
    first, *lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return Heard(int(first.split()[1]), headers, json.loads(body))


def ask(router: Waypost, step: int, *, model: str = "", token: str | None = None) -> Heard:
    command = printed(step)
    if model:
        command, count = re.subn(r'"model": "[^"]+"', f'"model": "{model}"', command)
        assert count == 1
    return typed(router, command, router.token if token is None else token)


def bill_of(router: Waypost, heard: Heard) -> dict[str, Any]:
    return router.waybill(heard.headers["x-request-id"])


@pytest.fixture
def prefers_hf_inference(router: Waypost) -> Iterator[None]:
    """The asker's own settings: HF Inference first."""
    assert router.ask("PUT", PREFERENCES, json={"order": ["hf-inference"]}).is_success
    yield
    router.ask("PUT", PREFERENCES, json={"order": [], "preferred_only": False})


def delivered(router: Waypost, heard: Heard, model: str, policy: str) -> dict[str, Any]:
    assert heard.status == 200
    assert heard.body["choices"][0]["message"]["content"] == "OK"
    bill = bill_of(router, heard)
    assert (bill["outcome"], bill["status"], bill["code"]) == ("delivered", 200, None)
    assert (bill["model"], bill["policy"]) == (model, policy)
    assert bill["served_by"] == heard.headers["x-inference-provider"] == bill["attempts"][-1]["provider"]
    return bill


def test_the_model_list_needs_no_token_and_so_proves_nothing_of_one(router) -> None:
    open_list = typed(router, f"curl -si {HOST}/v1/models", "")
    assert open_list.status == 200
    rows = {model["id"]: model["providers"] for model in open_list.body["data"]}
    assert [row["provider"] for row in rows["Qwen/Qwen3.5-9B"]] == ["together"]
    shown_a_wrong_one = typed(router, f'curl -si {HOST}/v1/models -H "Authorization: Bearer $HF_TOKEN"', "hf_old")
    assert (shown_a_wrong_one.status, shown_a_wrong_one.body["error"]["code"]) == (401, "token_malformed")


def test_step_2_fastest(router) -> None:
    bill = delivered(router, ask(router, 2), "openai/gpt-oss-120b", "fastest")
    assert set(bill["plan"]["order"]) == {"practice-swift", "practice-thrifty", "together"}
    assert bill["payer"] == {"type": "user", "name": router.running.user}


def test_step_3_an_explicit_provider(router) -> None:
    bill = delivered(router, ask(router, 3), "Qwen/Qwen3.5-9B", "together")
    assert bill["plan"]["order"] == ["together"]


def test_step_3_preferred_goes_on_to_who_runs_the_model(router, prefers_hf_inference) -> None:
    """HF Inference comes first in the settings, but only Together runs the model: no 401, and no refusal either."""
    bill = delivered(router, ask(router, 3, model="Qwen/Qwen3.5-9B:preferred"), "Qwen/Qwen3.5-9B", "preferred")
    assert bill["served_by"] == "together"


def test_step_3_preferred_keeps_the_order_where_the_first_can_serve(router, prefers_hf_inference) -> None:
    bill = delivered(router, ask(router, 3, model="meta/llama:preferred"), "meta/llama", "preferred")
    assert bill["served_by"] == "hf-inference"
    assert bill["plan"]["order"][0] == "hf-inference"


def test_step_3_preferred_and_nobody_else_is_a_400_that_names_the_setting(router, prefers_hf_inference) -> None:
    router.ask("PUT", PREFERENCES, json={"preferred_only": True})
    heard = ask(router, 3, model="Qwen/Qwen3.5-9B:preferred")
    assert (heard.status, heard.body["error"]["code"]) == (400, "model_not_supported")
    assert heard.headers["x-error-code"] == "model_not_supported"
    assert "preferred_only" in heard.body["error"]["fix"]
    bill = bill_of(router, heard)
    assert (bill["outcome"], bill["status"], bill["code"]) == ("refused", 400, "model_not_supported")
    assert {row["provider"]: row["reason"] for row in bill["plan"]["excluded"]}["together"] == "not_preferred"
    assert bill["attempts"] == []
    # The same question, asked beforehand.
    body = {"model": "Qwen/Qwen3.5-9B:preferred", "messages": [{"role": "user", "content": "Reply with exactly OK"}]}
    explained = router.ask("POST", "/v1/explain", json=body).json()
    assert (explained["would_succeed"], explained["refused_by"]["code"]) == (False, "model_not_supported")


def test_step_3_hf_inference_itself_is_a_400_that_says_it_does_not_run_the_model(router) -> None:
    heard = ask(router, 3, model="Qwen/Qwen3.5-9B:hf-inference")
    assert (heard.status, heard.body["error"]["code"]) == (400, "model_not_supported")
    reasons = {row["provider"]: row["reason"] for row in bill_of(router, heard)["plan"]["excluded"]}
    assert reasons == {"hf-inference": "no_such_model", "together": "pinned_elsewhere"}


def test_step_4_the_token_is_the_one_that_was_meant(router) -> None:
    variables = {"HF_TOKEN": router.token, "HF_ENDPOINT": router.address}
    environ = {**os.environ, **variables}  # noqa: TID251 (for the command)
    command = [sys.executable, "-c", printed(4)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    suffix, who = done.stdout.splitlines()
    assert suffix == f"suffix: {router.token[-8:]}"
    assert f"'name': '{router.running.user}'" in who
    assert "'role': 'write'" in who


def test_step_5_the_organisation_that_is_to_pay_stands_in_the_waybill(router) -> None:
    bill = delivered(router, ask(router, 5), "openai/gpt-oss-120b", "fastest")
    assert bill["payer"] == {"type": "organisation", "name": "your-org-name"}


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        ("", "token_missing", "none was sent"),
        ("hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "token_malformed", ""),
        ("{mine}x", "token_malformed", "too many"),
        ("Bearer {mine}", "token_malformed", "Bearer"),
        ('"{mine}"', "token_malformed", "quot"),
        ("{mine} {mine}", "token_malformed", "white space"),
    ],
)
def test_every_401_says_which_it_is_and_never_repeats_the_token(router, token, code, words) -> None:
    heard = ask(router, 2, token=token.format(mine=router.token))
    assert (heard.status, heard.body["error"]["code"]) == (401, code)
    assert words in heard.body["message"]
    assert heard.body["error"]["fix"]
    assert router.token not in json.dumps(heard.body)
    # Nobody's waybill, but the operator finds it among the unknown callers.
    seen = stranger(router, heard.headers["x-request-id"])
    assert (seen["status"], seen["code"]) == (401, code)
    assert router.token not in json.dumps(seen)


def stranger(router: Waypost, request_id: str) -> dict[str, Any]:
    """What is noted of an unknown caller. Its answer does not wait for the note, so we do."""
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        listed = router.ask("GET", "/v1/requests?strangers=true&limit=20").json()["data"]
        found = next((row for row in listed if row["id"] == request_id), None)
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{request_id} was never noted")


def test_white_space_around_a_token_is_no_part_of_it(router) -> None:
    assert ask(router, 2, token=f" {router.token} ").status == 200


def test_a_line_break_in_the_token_ends_the_header_and_is_refused_as_bad_http(router) -> None:
    heard = ask(router, 2, token=f"{router.token}\n")
    assert (heard.status, heard.body["error"]["code"]) == (400, "bad_request")
    assert "header" in heard.body["error"]["why"]
