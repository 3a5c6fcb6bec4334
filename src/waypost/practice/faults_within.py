"""Faults inside a reply that has begun: cuts, stalls, odd frames and wrong usage. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from waypost.practice.dialect import DONE
from waypost.practice.script import FOR_EVER, End, Script, duration, event, is_finish, reworded, whole

_HUGE_FRAME_BYTES: Final = 64 * 1024
_USAGE: Final = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
_EMPTY_FRAMES: Final = (b"data: {}\n\n", b'data: {"choices":[]}\n\n', b'data: {"choices":[{}]}\n\n')


def cut_mid_stream(script: Script, arg: str) -> Script:
    return replace(script.upto(whole(arg)), end=End.CLOSE)


def reset_mid_stream(script: Script, arg: str) -> Script:
    return replace(script.upto(whole(arg)), end=End.RESET)


def unfinished(script: Script, arg: str) -> Script:
    return script.upto(whole(arg))


def stalls(script: Script, arg: str) -> Script:
    """`3` for ever, `3:0.5` for half a second."""
    number, _, seconds = arg.partition(":")
    if not script.streamed:
        body = script.frames[0]
        script = replace(script, frames=(body[: len(body) // 2], body[len(body) // 2 :]))
    at = min(whole(number), len(script.frames) - 1)
    return replace(script, waits={**script.waits, at: duration(seconds) if seconds else FOR_EVER})


def no_done(script: Script, _arg: str) -> Script:
    return replace(script, frames=tuple(frame for frame in script.frames if frame != DONE))


def no_finish(script: Script, _arg: str) -> Script:
    return replace(script, frames=tuple(frame for frame in script.frames if not is_finish(frame)))


def never_ends(script: Script, _arg: str) -> Script:
    return replace(script, waits={**script.waits, len(script.frames): FOR_EVER})


def late_usage(script: Script, arg: str) -> Script:
    number = script.usage_number
    return script if number is None else replace(script, waits={**script.waits, number: duration(arg)})


def error_first_event(script: Script, arg: str) -> Script:
    if not script.streamed:
        return script.instead(200, _error(arg).removeprefix(b"data: "))
    return _ended_by(script, 0, _error(arg))


def error_mid_stream(script: Script, arg: str) -> Script:
    return _ended_by(script, whole(arg), _error("500"))


def error_text_mid_stream(script: Script, arg: str) -> Script:
    return _ended_by(script, whole(arg), event({"error": "Model is overloaded", "error_type": "overloaded"}))


def garbage_frame(script: Script, arg: str) -> Script:
    return script.with_frame(whole(arg), b'data: {"id":"chatcmpl-gar\n\n')


def bad_utf8(script: Script, arg: str) -> Script:
    return script.with_frame(whole(arg), b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n')


def crlf_frames(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: frame.replace(b"\n", b"\r\n"))


def cr_frames(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: frame.replace(b"\n", b"\r"))


def multi_line_data(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: frame.replace(b',"choices"', b',\ndata: "choices"', 1))


def bom(script: Script, _arg: str) -> Script:
    return replace(script, frames=(b"\xef\xbb\xbf" + script.frames[0], *script.frames[1:]))


def no_space_after_colon(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: frame.replace(b"data: ", b"data:", 1))


def other_fields(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: b"event: message\nid: 7\nretry: 1000\n" + frame)


def comments(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: b": keep-alive\n\n" + frame)


def empty_frames(script: Script, arg: str) -> Script:
    return script.with_frame(whole(arg), *_EMPTY_FRAMES)


def repeats_frame(script: Script, arg: str) -> Script:
    return script.with_frame(whole(arg) + 1, script.frames[min(whole(arg), len(script.frames) - 1)])


def huge_event(script: Script, arg: str) -> Script:
    return script.with_frame(1, _words(whole(arg)))


def huge_reply(script: Script, arg: str) -> Script:
    """As many 64 KiB frames of text as it takes; one frame object, repeated."""
    return script.with_frame(1, *[_words(_HUGE_FRAME_BYTES)] * (whole(arg) // _HUGE_FRAME_BYTES + 1))


def usage_missing(script: Script, _arg: str) -> Script:
    if script.streamed:
        script = replace(script, frames=tuple(frame for frame in script.frames if b'"usage":{' not in frame))
    return script.each(lambda frame: reworded(frame, lambda value: value.pop("usage", None)))


def usage_negative(script: Script, _arg: str) -> Script:
    return _recounted(script, lambda tokens: -tokens - 1)


def usage_huge(script: Script, _arg: str) -> Script:
    return _recounted(script, lambda tokens: 10**18 + tokens)


def usage_float(script: Script, _arg: str) -> Script:
    return _recounted(script, lambda tokens: tokens + 0.5)


def usage_text(script: Script, _arg: str) -> Script:
    return _recounted(script, str)


def usage_zero(script: Script, _arg: str) -> Script:
    return _recounted(script, lambda _tokens: 0)


def usage_each_chunk(script: Script, _arg: str) -> Script:
    """Counts that grow with every frame; the last one is true."""
    total = _usage_of(script)
    last = len(script.frames) - 1

    def counted(number: int, frame: bytes) -> bytes:
        share = total["completion_tokens"] * number // max(last, 1)
        grown = {**total, "completion_tokens": share, "total_tokens": total["prompt_tokens"] + share}
        return reworded(frame, lambda value: value.update(usage=value.get("usage") or grown))

    return replace(script, frames=tuple(counted(number, frame) for number, frame in enumerate(script.frames)))


def usage_twice(script: Script, _arg: str) -> Script:
    """A wrong usage frame before the true one."""
    number = script.usage_number
    if number is None:
        return script
    wrong = reworded(script.frames[number], lambda value: value.update(usage=_USAGE))
    return replace(script, frames=(*script.frames[:number], wrong, *script.frames[number:]))


def usage_with_finish(script: Script, _arg: str) -> Script:
    """The usage rides on the frame with the finish reason, and no frame of its own follows."""
    total = _usage_of(script)
    told = script.each(
        lambda frame: reworded(frame, lambda value: value.update(usage=total)) if is_finish(frame) else frame
    )
    return replace(told, frames=tuple(frame for frame in told.frames if b'"choices":[],"usage":{' not in frame))


def frames_after_done(script: Script, _arg: str) -> Script:
    return replace(script, frames=(*script.frames, _words(40), DONE))


def two_finish_reasons(script: Script, _arg: str) -> Script:
    number = script.finish_number
    if number == len(script.frames):
        return script
    second = script.frames[number].replace(b'"finish_reason":"stop"', b'"finish_reason":"length"')
    return replace(script, frames=(*script.frames[: number + 1], second, *script.frames[number + 1 :]))


def null_model(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: reworded(frame, lambda value: value.update(model=None)))


def no_model(script: Script, _arg: str) -> Script:
    return script.each(lambda frame: reworded(frame, lambda value: value.pop("model", None)))


def role_each_frame(script: Script, _arg: str) -> Script:
    """What several providers do: the role again in every frame, and null for what is not there."""

    def repeat(value: dict[str, Any]) -> None:
        for choice in value.get("choices", ()):
            choice.get("delta", {}).update(
                {"role": "assistant", "tool_calls": choice.get("delta", {}).get("tool_calls")}
            )

    return script.each(lambda frame: reworded(frame, repeat))


def cut_at(script: Script, arg: str) -> Script:
    """Two writes, the first of that many bytes, 5 ms apart."""
    body, at = b"".join(script.frames), whole(arg)
    return replace(script, frames=(body[:at], body[at:]), every_seconds=0.005, apart=True, waits={})


def dribble(script: Script, arg: str) -> Script:
    """Writes of so many bytes, each in a turn of its own."""
    body, size = b"".join(script.frames), max(1, whole(arg))
    frames = tuple(body[at : at + size] for at in range(0, len(body), size))
    return replace(script, frames=frames, every_seconds=0.0, apart=True, waits={})


def pace(script: Script, arg: str) -> Script:
    return replace(script, every_seconds=duration(arg))


def _ended_by(script: Script, number: int, frame: bytes) -> Script:
    return replace(script, frames=(*script.upto(number).frames, frame))


def _error(code: str) -> bytes:
    return event(
        {"error": {"message": "The model failed (a practice fault).", "type": "server_error", "code": whole(code)}}
    )


def _words(size: int) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": "w" * size}, "finish_reason": None}]})


def _recounted(script: Script, change: Callable[[int], Any]) -> Script:
    def recount(value: dict[str, Any]) -> None:
        counts = value.get("usage") or {}
        counts.update({name: change(tokens) for name, tokens in counts.items() if isinstance(tokens, int)})

    return script.each(lambda frame: reworded(frame, recount) if b'"usage":{' in frame else frame)


def _usage_of(script: Script) -> dict[str, Any]:
    """The usage the reply tells; one of our own where the caller asked for none or another fault has spoilt it."""
    number = script.usage_number
    told: dict[str, Any] = {}
    if number is not None:
        reworded(script.frames[number], lambda value: told.update(value["usage"]))
    counts = [told.get(name) for name in _USAGE]
    return told if all(isinstance(count, int) for count in counts) else dict(_USAGE)
