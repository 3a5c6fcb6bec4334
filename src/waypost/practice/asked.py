"""What a practice provider reads of a chat request: OpenAI's fields, checked as real providers check them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")


class BadAsk(Exception):
    """The request is not one a provider would take; becomes OpenAI's 400 envelope."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class Part(msgspec.Struct, frozen=True):
    """One part of a message: `text`, or `image_url` with an address or a data URL."""

    type: str
    text: str = ""
    image_url: dict[str, Any] | str | None = None


class Named(msgspec.Struct, frozen=True):
    """Name and arguments of a call that an assistant message repeats."""

    name: str
    arguments: str = "{}"


class PastCall(msgspec.Struct, frozen=True):
    """A tool call in an earlier assistant message."""

    function: Named
    id: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message of the conversation."""

    role: Role
    content: str | list[Part] | None = None
    tool_calls: list[PastCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.text)

    @property
    def images(self) -> int:
        if self.content is None or isinstance(self.content, str):
            return 0
        return sum(part.type == "image_url" for part in self.content)


class Function(msgspec.Struct, frozen=True):
    """What a tool is called, says of itself and takes."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct, frozen=True):
    """A tool the caller offers."""

    function: Function
    type: str = "function"


class Options(msgspec.Struct, frozen=True):
    """`stream_options`."""

    include_usage: bool | None = None


class Form(NamedTuple):
    """The shape an answer must have: JSON of a schema, or text of a regular expression."""

    schema: Any
    pattern: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """One chat request. Fields that no practice model reads are left out and pass unseen, as at real providers."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: Options | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None

    @property
    def output_tokens_max(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def stops(self) -> tuple[str, ...]:
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return tuple(stop for stop in stops if stop)

    @property
    def images(self) -> int:
        return sum(message.images for message in self.messages)

    @property
    def prompt(self) -> str:
        """The last thing a person said."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def form(self) -> Form | None:
        return _form(self.response_format) if self.response_format else None


_decoder: Final = msgspec.json.Decoder(Asked)


def read(body: bytes) -> Asked:
    """Read a request body. Raises BadAsk with the field at fault."""
    try:
        asked = _decoder.decode(body)
    except msgspec.ValidationError as error:
        where = _PATH.search(str(error))
        raise BadAsk(f"Invalid request: {error}", where.group(1) or None if where else None) from None
    except msgspec.DecodeError as error:
        raise BadAsk(f"We could not parse the JSON body of your request: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise BadAsk("We could not parse the JSON body of your request: not UTF-8, or nested too deep") from None
    if asked.response_format:
        _form(asked.response_format)
    return asked


def _form(wanted: dict[str, Any]) -> Form | None:
    """OpenAI's shapes, Together's `{type, schema}` and TGI's `{type, value}` of a response format."""
    kind = wanted.get("type")
    if kind in (None, "text"):
        return None
    value = wanted.get("value", wanted.get("schema"))
    if kind == "regex" and isinstance(value, str):
        return Form(None, value)
    if kind in ("json_object", "json"):
        return Form(value)
    if kind == "json_schema":
        outer = wanted.get("json_schema")
        return Form(outer.get("schema", value) if isinstance(outer, dict) else value)
    raise BadAsk(f"response_format.type {kind!r} is not supported", "response_format.type")
