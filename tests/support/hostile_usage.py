"""What providers say of usage that no usage can be, and how an answer carries it: the shapes, and who plays them."""

from __future__ import annotations

import json
from typing import NamedTuple

from rawserver import Line

WORDS = ("one", " two", " three")
TRUE = '{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}'
LONG = "9" * 400


class Shape(NamedTuple):
    """Usage as JSON text, frame by frame where the answer is streamed."""

    name: str
    usages: tuple[str | None, ...]
    """One for each frame of the answer (role, words, finish), one for the frame of its own, one for behind `[DONE]`."""
    counted: tuple[int, int, int, int] | None = None
    """What is to be believed of it; None: nothing, so that ours is an estimate."""
    readable: bool = True
    """The provider's JSON can be read at all."""


def last(name: str, text: str, counted: tuple[int, int, int, int] | None = None, *, readable: bool = True) -> Shape:
    """Told where usage belongs."""
    return Shape(name, (*[None] * 5, text, None), counted, readable)


def tokens(prompt: str, completion: str, more: str = "") -> str:
    return f'{{"prompt_tokens":{prompt},"completion_tokens":{completion}{more}}}'


def details(prompt: str, completion: str) -> str:
    return tokens("9", "3", f',"prompt_tokens_details":{prompt},"completion_tokens_details":{completion}')


PLAIN = (9, 0, 3, 0)
NUMBERS = {
    "negative": "-1",
    "very negative": str(-(2**63)),
    "2^31": str(2**31),
    "2^32": str(2**32),
    "2^53": str(2**53),
    "2^63-1": str(2**63 - 1),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "400 digits": LONG,
    "float": "1.5",
    "whole float": "9.0",
    "exponent": "1e3",
    "huge exponent": "1e300",
    "text": '"9"',
    "words": '"nine"',
    "null": "null",
    "boolean": "true",
    "list": "[9]",
    "nested": '{"value":9}',
}
PROMPTS = [last(f"prompt {name}", tokens(text, "3")) for name, text in NUMBERS.items()]
COMPLETIONS = [last(f"completion {name}", tokens("9", text)) for name, text in NUMBERS.items()]
WHOLES = [
    last("null", "null"),
    last("empty", "{}"),
    last("list", "[]"),
    last("huge list", "[" + "1," * 20_000 + "1]"),
    last("text", '"12"'),
    last("number", "12"),
    last("true", "true"),
    last("nested in itself", f'{{"usage":{TRUE}}}'),
    last("in a list", f"[{TRUE}]"),
    last("no prompt", '{"completion_tokens":3}'),
    last("no completion", '{"prompt_tokens":9}'),
    last("total alone", '{"total_tokens":12}'),
    last("duplicate keys", tokens("1000000", "1000000", ',"prompt_tokens":9,"completion_tokens":3'), PLAIN),
    last("wrong total", tokens("9", "3", ',"total_tokens":-5'), PLAIN),
    last("zero", tokens("0", "0"), (0, 0, 0, 0)),
    last("deep", tokens("9", "3", ',"deep":' + "[" * 400 + "]" * 400), PLAIN),
    last("NaN", tokens("NaN", "3"), readable=False),
    last("infinite", tokens("9", "Infinity"), readable=False),
    last("cut", '{"prompt_tokens":9', readable=False),
]
DETAILS = [
    last("details right", details('{"cached_tokens":4}', '{"reasoning_tokens":2}'), (5, 4, 1, 2)),
    last("details negative", details('{"cached_tokens":-4}', '{"reasoning_tokens":-2}'), PLAIN),
    last("details above the whole", details('{"cached_tokens":10}', '{"reasoning_tokens":4}'), PLAIN),
    last("details boolean", details('{"cached_tokens":true}', '{"reasoning_tokens":true}'), PLAIN),
    last("details huge", details(f'{{"cached_tokens":{2**63}}}', f'{{"reasoning_tokens":{2**64}}}'), PLAIN),
    last("details lists", details("[4]", "[2]"), PLAIN),
    last("details null", details("null", "null"), PLAIN),
    last("details text", details('{"cached_tokens":"4"}', '{"reasoning_tokens":2.0}'), PLAIN),
]
CHARGES = [
    last("cost negative", tokens("9", "3", ',"cost":-5'), PLAIN),
    last("cost huge", tokens("9", "3", ',"cost":1e300'), PLAIN),
    last("above the hold", tokens("99000000", "99000000"), (99_000_000, 0, 99_000_000, 0)),
    last("prompt above the hold", tokens("99000000", "0"), (99_000_000, 0, 0, 0)),
]
GROWN = tuple(tokens("9", str(n)) for n in range(5))
FRAMES = [
    Shape("each frame cumulative", (*GROWN, tokens("9", "3"), None), PLAIN),
    Shape("each frame the same", (*[TRUE] * 6, None), PLAIN),
    Shape("doubled", (None, None, None, None, TRUE, TRUE, None), PLAIN),
    Shape("in the first frame alone", (TRUE, *[None] * 6), PLAIN),
    Shape("with the finish", (None, None, None, None, TRUE, None, None), PLAIN),
    Shape("shrinking", (tokens("900", "300"), None, None, None, TRUE, TRUE, None), PLAIN),
    Shape("after [DONE]", (*[None] * 6, TRUE)),
    Shape("again after [DONE]", (*[None] * 5, TRUE, tokens("90000", "90000")), PLAIN),
    Shape("negative after the true one", (None, None, None, None, TRUE, tokens("-9", "-3"), None), PLAIN),
    Shape("null everywhere", (*["null"] * 6, None)),
]
WHOLE_SHAPES = [*PROMPTS, *COMPLETIONS, *WHOLES, *DETAILS, *CHARGES]
STREAMED_SHAPES = [*WHOLE_SHAPES, *FRAMES]
BY_NAME = {shape.name: shape for shape in STREAMED_SHAPES}


def _event(choices: str, usage: str | None) -> bytes:
    told = "" if usage is None else f',"usage":{usage}'
    return f'data: {{"id":"c-1","object":"chat.completion.chunk","choices":[{choices}]{told}}}\n\n'.encode()


def frames(shape: Shape) -> bytes:
    deltas = ['{"role":"assistant","content":""}', *(json.dumps({"content": word}) for word in WORDS)]
    choices = [f'{{"index":0,"delta":{delta},"finish_reason":null}}' for delta in deltas]
    choices.append('{"index":0,"delta":{},"finish_reason":"stop"}')
    *within, own, behind = shape.usages
    body = b"".join(map(_event, choices, within)) + (b"" if own is None else _event("", own))
    return body + b"data: [DONE]\n\n" + (b"" if behind is None else _event("", behind))


def whole(shape: Shape) -> bytes:
    message = json.dumps({"role": "assistant", "content": "".join(WORDS)})
    choice = f'{{"index":0,"message":{message},"finish_reason":"stop"}}'
    return f'{{"id":"c-1","object":"chat.completion","choices":[{choice}],"usage":{shape.usages[-2]}}}'.encode()


async def provider(line: Line) -> None:
    """Answers with the shape that the last message names."""
    while True:
        asked = json.loads((await line.request()).partition(b"\r\n\r\n")[2])
        shape = BY_NAME[asked["messages"][-1]["content"]]
        body, kind = (frames(shape), "text/event-stream") if asked.get("stream") else (whole(shape), "application/json")
        await line.say(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
