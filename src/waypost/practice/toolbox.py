"""Which of the offered tools a practice model calls, and with which arguments."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from waypost.practice.asked import Asked, BadAsk, Tool
from waypost.practice.schemas import proper_names, value_for
from waypost.practice.words import Dice

_WORD: Final = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{3,}")
_SMALL_WORDS: Final = re.compile(
    r"the|and|for|with|from|this|that|get|set|given|returns?|about|into|what|which|when|where|how|you|your|can|are|was"
    r"|has|have|not|used?|please|tell|make|give|does|any|all|one"
)
_CALLS_MAX: Final = 4


class Call(NamedTuple):
    """One tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


def calls_for(asked: Asked, choice: int = 0) -> tuple[Call, ...]:
    """The calls a model would make: none where it may not, need not, or has just been given a tool's answer."""
    tools = asked.tools or []
    forced = _forced(asked.tool_choice, tools)
    if not tools or asked.tool_choice == "none":
        return ()
    if forced is None and asked.messages[-1].role in ("tool", "function"):
        return ()
    tool = forced or _fitting(tools, asked.prompt)
    if tool is None and asked.tool_choice == "required":
        tool = tools[0]
    return _made(asked, tool, choice) if tool else ()


def _forced(tool_choice: str | dict[str, object] | None, tools: list[Tool]) -> Tool | None:
    """The tool that `{"type": "function", "function": {"name": …}}` names."""
    if not isinstance(tool_choice, dict):
        if tool_choice not in (None, "none", "auto", "required"):
            raise BadAsk(f"tool_choice {tool_choice!r} is not one of none, auto, required", "tool_choice")
        return None
    function = tool_choice.get("function")
    name = function.get("name") if isinstance(function, dict) else tool_choice.get("name")
    found = next((tool for tool in tools if tool.function.name == name), None)
    if found is None:
        raise BadAsk(f"tool_choice names {name!r}, which is not among the tools", "tool_choice")
    return found


def _fitting(tools: list[Tool], prompt: str) -> Tool | None:
    """The tool whose name or description shares most words with the prompt; its name counts double."""
    said = _words(prompt)
    scores = [
        2 * len(said & _words(tool.function.name)) + len(said & _words(tool.function.description or ""))
        for tool in tools
    ]
    best = max(scores)
    return tools[scores.index(best)] if best > 1 else None


def _words(text: str) -> frozenset[str]:
    """The telling words of a text, by their first six letters, so that `temperatures` meets `temperature`."""
    return frozenset(word.lower()[:6] for word in _WORD.findall(text) if not _SMALL_WORDS.fullmatch(word.lower()))


def _made(asked: Asked, tool: Tool, choice: int) -> tuple[Call, ...]:
    """One call, or one for each thing the prompt names where parallel calls are allowed."""
    parallel = asked.parallel_tool_calls is not False and " and " in asked.prompt
    times = min(max(1, len(proper_names(asked.prompt))), _CALLS_MAX) if parallel else 1
    schema = tool.function.parameters or {"type": "object", "properties": {}}
    return tuple(
        Call(
            "call_" + Dice("call", asked.prompt, len(asked.messages), choice, index).digits(24),
            tool.function.name,
            msgspec.json.encode(value_for(schema, asked.prompt, index)).decode(),
        )
        for index in range(times)
    )
