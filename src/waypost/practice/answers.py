"""A whole answer to a chat request, worked out at once: the same request always gets the same words."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from waypost.practice.asked import Asked, BadAsk, Form, Message
from waypost.practice.patterns import Unsupported, matching
from waypost.practice.sayings import ponder, say
from waypost.practice.schemas import value_for
from waypost.practice.toolbox import Call, calls_for
from waypost.practice.words import Dice, count, pieces

REASONING_SENTENCES: Final = {"none": 0, "minimal": 1, "low": 2, "medium": 4, "high": 8, "xhigh": 12}
IMAGE_TOKENS: Final = 256
MESSAGE_TOKENS: Final = 3
_CACHE_BLOCK: Final = 16


class Choice(NamedTuple):
    """One choice, cut into tokens."""

    reasoning: list[str]
    content: list[str]
    calls: tuple[Call, ...]
    finish: str
    """`stop`, `length` or `tool_calls`."""


class Answer(NamedTuple):
    """Everything a reply is written from."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    cached_tokens: int
    """Part of the prompt: the turns before the last answer, which an earlier call would have sent."""
    completion_tokens: int
    reasoning_tokens: int
    """Part of the completion."""


def answer(asked: Asked, output_tokens_max: int | None = None) -> Answer:
    """Answer a request. `output_tokens_max` is the model's own limit. Raises BadAsk."""
    limits = [limit for limit in (asked.output_tokens_max, output_tokens_max) if limit is not None]
    limit = min(limits) if limits else None
    choices = tuple(_choice(asked, index, limit) for index in range(asked.n or 1))
    reasoning = sum(len(choice.reasoning) for choice in choices)
    spoken = sum(len(choice.content) + _call_tokens(choice.calls) for choice in choices)
    prompt, cached = prompt_tokens(asked)
    return Answer(choices, prompt, cached, reasoning + spoken, reasoning)


def prompt_tokens(asked: Asked) -> tuple[int, int]:
    """Tokens of the prompt, and how many of them come from the cache, in whole blocks."""
    sizes = [_message_tokens(message) for message in asked.messages]
    tools = count(msgspec.json.encode(asked.tools).decode()) if asked.tools else 0
    answered = [at for at, message in enumerate(asked.messages) if message.role == "assistant"]
    cached = sum(sizes[: answered[-1] + 1]) if answered else 0
    return sum(sizes) + tools + MESSAGE_TOKENS, cached - cached % _CACHE_BLOCK


def _message_tokens(message: Message) -> int:
    calls = sum(count(call.function.name) + count(call.function.arguments) for call in message.tool_calls or ())
    return MESSAGE_TOKENS + count(message.text) + IMAGE_TOKENS * message.images + calls


def _call_tokens(calls: tuple[Call, ...]) -> int:
    return sum(count(call.name) + count(call.arguments) for call in calls)


def _choice(asked: Asked, index: int, limit: int | None) -> Choice:
    dice = Dice("say", *(f"{message.role}:{message.text}" for message in asked.messages), asked.seed, index)
    reasoning = pieces(_reasoning(asked, dice))
    calls = calls_for(asked, index)
    content = [] if calls else pieces(_stopped(asked, _text(asked, dice)))
    finish = "tool_calls" if calls else "stop"
    if limit is None or len(reasoning) + len(content) + _call_tokens(calls) <= limit:
        return Choice(reasoning, content, calls, finish)
    room = max(0, limit - len(reasoning))
    return Choice(reasoning[:limit], content[:room], _cut(calls, room), "length")


def _reasoning(asked: Asked, dice: Dice) -> str:
    effort = asked.reasoning_effort or "none"
    if effort not in REASONING_SENTENCES:
        raise BadAsk(f"reasoning_effort {effort!r} is not one of {', '.join(REASONING_SENTENCES)}", "reasoning_effort")
    sentences = REASONING_SENTENCES[effort]
    return ponder(asked, dice, sentences) if sentences else ""


def _text(asked: Asked, dice: Dice) -> str:
    return say(asked, dice) if asked.form is None else _formed(asked.form, asked, dice)


def _formed(form: Form, asked: Asked, dice: Dice) -> str:
    """JSON that the schema accepts, text that the pattern matches, or an object of our own where none was given."""
    if form.pattern is not None:
        try:
            return matching(form.pattern)
        except Unsupported as error:
            raise BadAsk(f"Unsupported pattern: {error}", "response_format") from None
    schema: Any = form.schema
    value = value_for(schema, asked.prompt) if isinstance(schema, dict) and schema else {"answer": say(asked, dice)}
    return msgspec.json.encode(value).decode()


def _stopped(asked: Asked, text: str) -> str:
    """The text up to the first of the caller's stop sequences."""
    return text[: min((at for stop in asked.stops if (at := text.find(stop)) >= 0), default=len(text))]


def _cut(calls: tuple[Call, ...], room: int) -> tuple[Call, ...]:
    """Calls whose arguments end where the tokens ran out, as happens to a real model."""
    kept: list[Call] = []
    for call in calls:
        room -= count(call.name)
        if room < 0:
            break
        arguments = pieces(call.arguments)[:room]
        room -= len(arguments)
        kept.append(call._replace(arguments="".join(arguments)))
    return tuple(kept)
