"""Streams as providers write them, with every oddity we know, and what a client must get of each.

Everything follows from a seed. What must arrive is put together here from what each event *is*, not from how it looks.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

NATIVE: Final = "one-at-raw"
OURS: Final = "acme/one"
DONE: Final = b"data: [DONE]\n\n"
SCRIPTS: Final = (
    "aeiou xyz",
    "äöüßéñ",
    "日本語テキスト",
    "тест",
    "اختبار",
    "🙂🎉👩‍👩‍👧",
    "\u2028\u2029\u00a0",
    '\\"/\b\f\n\r\t{}[]',
)
LURE: Final = f'{{"model":"{NATIVE}"}}'
"""Our upstream name where it is no field: inside what the model says."""


class Stream(NamedTuple):
    """One reply and what must come of it."""

    raw: bytes
    """What the provider sends."""
    passes: bytes
    """What the client gets, up to the tail."""
    asks_usage: bool
    usage_event: dict[str, Any] | None
    """The event in the tail, as JSON, without what only the router knows; None where there is none."""

    def check(self, got: bytes) -> str | None:
        """What is wrong with the bytes a client got; None where nothing is."""
        if not got.startswith(self.passes):
            at = next((i for i, (a, b) in enumerate(zip(got, self.passes, strict=False)) if a != b), len(got))
            here = slice(max(0, at - 60), at + 60)
            return f"differs at byte {at}: {got[here]!r}, not {self.passes[here]!r}"
        tail = got[len(self.passes) :]
        if not tail.endswith(DONE):
            return f"ends with {tail!r}"
        return self._check_usage(tail.removesuffix(DONE))

    def _check_usage(self, told: bytes) -> str | None:
        if self.usage_event is None:
            return None if told == b"" else f"has {told!r} before its end"
        event = json.loads(told.removeprefix(b"data: "))
        cost = event["usage"].pop("cost_nano_usd", None)
        if event != self.usage_event or not isinstance(cost, int):
            return f"has {event} with cost {cost} before its end, not {self.usage_event}"
        return None


class Style(NamedTuple):
    """How one provider writes."""

    end_of_line: bytes
    label: bytes
    dump: Callable[[Any], str]
    multi_line: bool
    fields: bytes
    """Other fields of each event."""


def style_of(dice: random.Random) -> Style:
    compact = dice.random() < 0.6
    ascii_only = dice.random() < 0.4

    def dump(value: Any) -> str:
        separators = (",", ":") if compact else None
        try:
            text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
            text.encode()
        except UnicodeEncodeError:  # half a character has no other form than its escape
            text = json.dumps(value, separators=separators)
        return text

    return Style(
        dice.choices([b"\n", b"\r\n", b"\r"], [8, 2, 1])[0],
        dice.choices([b"data: ", b"data:"], [5, 1])[0],
        dump,
        dice.random() < 0.1,
        dice.choices([b"", b"event: message\n", b"id: 7\nretry: 100\n"], [8, 1, 1])[0],
    )


class Writer:
    """Writes one stream, and beside it what must arrive."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.style = style_of(self.dice)
        self.sent: list[bytes] = []
        self.passes: list[bytes] = []
        self.names_model = self.dice.random() < 0.9
        self.first: dict[str, Any] | None = None
        self.asks_usage = self.dice.random() < 0.5
        self.told: dict[str, Any] | None = None
        """The last event with nothing but usage."""
        self.usage_rides = False
        """Some event with choices carried usage."""

    def text(self) -> str:
        words = self.dice.choices(SCRIPTS, k=self.dice.randint(1, 4))
        text = "".join("".join(self.dice.choices(word, k=self.dice.randint(1, 12))) for word in words)
        return text + (LURE if self.dice.random() < 0.1 else "")

    def event(self, value: dict[str, Any], *, passes: bool = True) -> None:
        """An event with JSON; it arrives with our name for the model."""
        if self.names_model:
            value = {"id": "c-1", "created": 5, "model": NATIVE, **value}
        if self.first is None:
            self.first = value
        if not passes:
            self.forget_blanks()
        self.sent.append(self.frame(self.style.dump(value)))
        if passes:
            # The same dictionary order: only the one value differs.
            ours = {**value, "model": OURS} if self.names_model else value
            self.passes.append(self.frame(self.style.dump(ours)))

    def forget_blanks(self) -> None:
        """A blank line before an event goes with it, or went before it: that depends on the cuts."""
        if self.sent and not self.sent[-1].strip():
            self.sent.pop()
            self.passes.pop()

    def frame(self, text: str) -> bytes:
        lines = text.replace(', "choices"', ',\n"choices"').split("\n") if self.style.multi_line else [text]
        data = b"".join(self.style.label + line.encode() + b"\n" for line in lines)
        return (self.style.fields + data + b"\n").replace(b"\n", self.style.end_of_line)

    def raw(self, data: bytes) -> None:
        """Bytes that pass as they are. Two blank lines would be an event."""
        if data == b"\n" and self.sent and not self.sent[-1].strip():
            return
        data = data.replace(b"\n", self.style.end_of_line)
        self.sent.append(data)
        self.passes.append(data)

    def delta(self, delta: dict[str, Any], index: int = 0, **more: Any) -> None:
        usage = {}
        if self.dice.random() < 0.05:
            usage = {"usage": self.counts()}
            self.usage_rides = True
        elif self.dice.random() < 0.1:
            usage = {"usage": None}
        self.event({"choices": [{"index": index, "delta": delta, "finish_reason": None, **more}], **usage})

    def counts(self) -> dict[str, int]:
        prompt, completion = self.dice.randint(1, 90), self.dice.randint(1, 90)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    # The parts of a stream, in their order.

    def write(self) -> Stream:
        for part in (self.opening, self.answer, self.closing):
            part()
        starts_alike = bool(self.passes) and self.sent[0] == self.passes[0]
        bom = b"\xef\xbb\xbf" if starts_alike and self.dice.random() < 0.15 else b""
        raw, passes = bom + b"".join(self.sent), bom + b"".join(self.passes)
        return Stream(raw, passes, self.asks_usage, self.usage_event())

    def opening(self) -> None:
        for kind in self.dice.choices(["comment", "role", "empty", "blank"], k=self.dice.randint(0, 3)):
            if kind == "comment":
                self.comment()
            elif kind == "role":
                self.delta({"role": "assistant", "content": ""})
            elif kind == "empty":
                self.event({"choices": []})
            else:
                self.raw(b"\n")

    def comment(self) -> None:
        self.raw(
            self.dice.choice([b": keep-alive\n\n", b":\n\n", b": OPENROUTER PROCESSING\n\n", b":\xf0\x9f\x99\x82\n\n"])
        )

    def answer(self) -> None:
        for _ in range(self.dice.randint(1, 14)):
            kind = self.dice.choices(
                ["content", "reasoning", "tool", "refusal", "comment", "odd", "usage", "logprobs", "surrogate"],
                [10, 3, 3, 1, 2, 1, 1, 1, 1],
            )[0]
            getattr(self, f"say_{kind}", self.comment)()

    def say_content(self) -> None:
        self.delta({"content": self.text()}, index=self.dice.choice([0, 0, 0, 1]))

    def say_reasoning(self) -> None:
        self.delta({self.dice.choice(["reasoning", "reasoning_content"]): self.text()})

    def say_tool(self) -> None:
        call = {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "f", "arguments": self.text() + LURE},
        }
        self.delta({"tool_calls": [call]})

    def say_refusal(self) -> None:
        self.delta({"refusal": self.text()})

    def say_odd(self) -> None:
        """Events that say nothing, and events without data."""
        kind = self.dice.randint(0, 2)
        if kind == 0:
            self.event({"choices": [], "note": self.text()})
        elif kind == 1:
            self.raw(b"event: ping\n\n")
        else:
            self.raw(b"\n")

    def say_usage(self) -> None:
        """Usage alone, in the middle of the answer."""
        self.usage_only()

    def say_logprobs(self) -> None:
        self.delta({"content": "x"}, logprobs={"content": [{"token": "x", "logprob": -1e-30, "bytes": [120]}]})

    def say_surrogate(self) -> None:
        """Half a character, as programs write it that cut their text by UTF-16 units."""
        self.delta({"content": "\ud83d"})

    def usage_only(self) -> None:
        value = {"choices": [], "usage": self.counts()}
        self.event(value, passes=False)
        self.told = {"id": "c-1", "created": 5, **value} if self.names_model else value

    def closing(self) -> None:
        reason = self.dice.choice(["stop", "length", "tool_calls", "content_filter"])
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        self.delta({"content": "."})  # so that there is a word in any case
        rides = self.dice.random() < 0.15
        self.usage_rides = self.usage_rides or rides
        self.event({**last, "usage": self.counts()} if rides else last)
        for kind in self.dice.choices(["usage", "comment", "nothing", "x_groq"], [6, 1, 2, 1], k=2):
            if kind == "usage":
                self.usage_only()
            elif kind == "comment":
                self.comment()
            elif kind == "x_groq":
                self.event({"choices": [], "x_groq": {"id": "r"}})
        self.ending()

    def ending(self) -> None:
        kind = self.dice.choices(["done", "none", "late", "unterminated", "tight"], [10, 2, 1, 1, 1])[0]
        eol = self.style.end_of_line
        if kind in ("done", "late"):
            self.sent.append(b"data: [DONE]" + eol * 2)
        if kind == "late":
            self.sent.append(b'data: {"choices":[{"index":0,"delta":{"content":"too late"}}]}' + eol * 2)
        elif kind == "unterminated":
            self.sent.append(b"data: [DONE]")
        elif kind == "tight":
            self.sent.append(b"data:[DONE]" + eol * 2)

    def usage_event(self) -> dict[str, Any] | None:
        if not self.asks_usage:
            return None
        if self.told is not None:
            return {**self.told, "model": OURS}
        return None


def stream_of(seed: int) -> Stream:
    """One of endlessly many streams, the same each time. A caller who asked for usage always gets some."""
    step = 0
    while True:
        writer = Writer(seed * 1000 + step)
        made = writer.write()
        if not made.asks_usage or writer.told is not None or writer.usage_rides:
            return made
        step += 1  # our own estimate would stand there: another test's matter


def whole_of(seed: int) -> tuple[bytes, bytes]:
    """A body that is not streamed, and what must arrive."""
    dice = random.Random(seed)
    style = style_of(dice)
    writer = Writer(seed)
    message: dict[str, Any] = {"role": "assistant", "content": writer.text()}
    if dice.random() < 0.3:
        message |= {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": LURE + writer.text()}}]}
    if dice.random() < 0.3:
        message["reasoning"] = writer.text()
    if dice.random() < 0.2:
        message["content"] = "\ud83d"
    value = {
        "id": "c-1",
        "created": 5,
        "choices": [{"index": n, "message": message, "finish_reason": "stop"} for n in range(dice.randint(1, 3))],
        "usage": writer.counts(),
        "extra": {"seen": [1.5, 1e-7, None, True, writer.text()]},
    }
    place = dice.randint(0, len(value))
    items = list(value.items())
    before, after = items[:place], items[place:]
    pretty = dice.random() < 0.2

    def written(name: str) -> bytes:
        body = dict([*before, ("model", name), *after])
        return (json.dumps(body, indent=2) if pretty else style.dump(body)).encode()

    return written(NATIVE), written(OURS)
