"""OpenAI's wire language as providers write it: whole replies, stream frames, model lists and error envelopes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from waypost.domain.endpoints import Endpoint
from waypost.domain.money import NANO_USD_PER_USD
from waypost.practice.answers import Answer, Choice
from waypost.practice.toolbox import Call
from waypost.practice.words import pieces

DONE: Final = b"data: [DONE]\n\n"
FINGERPRINT: Final = "fp_practice"
_encode: Final = msgspec.json.Encoder().encode


class Stamp(NamedTuple):
    """What every frame of one reply repeats."""

    id: str
    """`chatcmpl-…`"""
    created: int
    """Unix seconds."""
    model: str
    """The provider's own id of the model."""
    reasoning_field: str = "reasoning"
    """Providers differ: `reasoning` or `reasoning_content`."""


def completion(answer: Answer, stamp: Stamp) -> bytes:
    """The body of a reply that is not streamed."""
    return _encode(
        {
            "id": stamp.id,
            "object": "chat.completion",
            "created": stamp.created,
            "model": stamp.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [
                {
                    "index": index,
                    "message": _message(choice, stamp.reasoning_field),
                    "logprobs": None,
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(answer.choices)
            ],
            "usage": usage(answer),
        }
    )


def stream(answer: Answer, stamp: Stamp, *, wants_usage: bool) -> list[bytes]:
    """Every frame of a streamed reply: role, a frame a token, the finish, the usage if it was asked for, `[DONE]`.

    Several choices take turns, as they do at real providers. With usage asked for, the other frames say `usage: null`.
    """
    head = (
        b"data: "
        + _encode(
            {
                "id": stamp.id,
                "object": "chat.completion.chunk",
                "created": stamp.created,
                "model": stamp.model,
                "system_fingerprint": FINGERPRINT,
            }
        )[:-1]
    )
    tail = b',"usage":null}\n\n' if wants_usage else b"}\n\n"
    told = [_deltas(index, choice, stamp.reasoning_field) for index, choice in enumerate(answer.choices)]
    frames = [b'%b,"choices":[%b]%b' % (head, _encode(piece), tail) for piece in _in_turn(told)]
    if wants_usage:
        frames.append(b'%b,"choices":[],"usage":%b}\n\n' % (head, _encode(usage(answer))))
    return [*frames, DONE]


def usage(answer: Answer) -> dict[str, Any]:
    """OpenAI's usage object; details only where there is something to tell."""
    counted: dict[str, Any] = {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }
    if answer.reasoning_tokens:
        counted["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning_tokens}
    return counted


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """OpenAI's error envelope."""
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def model_row(endpoint: Endpoint, created: int) -> dict[str, Any]:
    """A model as `GET /v1/models` lists it, with the price and context that Hugging Face asks of its partners."""
    row: dict[str, Any] = {
        "id": endpoint.id,
        "object": "model",
        "created": created,
        "owned_by": endpoint.model.partition("/")[0],
    }
    if endpoint.context_length is not None:
        row["context_length"] = endpoint.context_length
    if endpoint.price is not None:
        row["pricing"] = {"input": _usd(endpoint.price.input), "output": _usd(endpoint.price.output)}
    return row


def model_list(endpoints: Iterable[Endpoint], created: int) -> bytes:
    return _encode({"object": "list", "data": [model_row(endpoint, created) for endpoint in endpoints]})


def model_one(endpoint: Endpoint, created: int) -> bytes:
    return _encode(model_row(endpoint, created))


def _usd(nano_usd_per_million: int) -> float:
    return nano_usd_per_million / NANO_USD_PER_USD


def _message(choice: Choice, reasoning_field: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if choice.calls else "".join(choice.content)}
    if choice.reasoning:
        message[reasoning_field] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in choice.calls
        ]
    return message


def _deltas(index: int, choice: Choice, reasoning_field: str) -> list[dict[str, Any]]:
    """The pieces of one choice, each as it stands in `choices`."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if choice.calls else ""}]
    deltas += [{reasoning_field: piece} for piece in choice.reasoning]
    deltas += [{"content": piece} for piece in choice.content]
    for at, call in enumerate(choice.calls):
        deltas += _call_deltas(at, call)
    told: list[dict[str, Any]] = [
        {"index": index, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas
    ]
    told.append({"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.finish})
    return told


def _call_deltas(at: int, call: Call) -> list[dict[str, Any]]:
    """A tool call in fragments: id and name first, then the arguments piece by piece."""
    opening = {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    return [
        {"tool_calls": [opening]},
        *({"tool_calls": [{"index": at, "function": {"arguments": piece}}]} for piece in pieces(call.arguments)),
    ]


def _in_turn(told: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    longest = max(map(len, told))
    for at in range(longest):
        yield from (deltas[at] for deltas in told if at < len(deltas))
