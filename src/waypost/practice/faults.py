"""The faults a practice provider can be told to have, by name: the table, how they are asked for, and when they strike.

A fault is asked for as `name`, `name=argument`, and with `@` how often: `status_503@1/5` every fifth call,
`reset_before@20%` one call in five by chance, the same ones in every run. Several are joined with commas and
applied from left to right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from waypost.domain.problems import Refusal
from waypost.practice import faults_before as before
from waypost.practice import faults_wire as wire
from waypost.practice import faults_within as within
from waypost.practice.script import Script
from waypost.practice.words import Dice

_ASKED: Final = re.compile(r"([a-z0-9_]+)(?:=([ -+\--?A-~]*))?(?:@(?:1/(\d{1,9})|(\d{1,3}(?:\.\d+)?)%))?")
_FLAKY: Final = ("status_503", "reset_before", "cut_mid_stream", "rate_limited=2", "error_first_event")


class Fault(NamedTuple):
    """A row of the table."""

    apply: Callable[[Script, str], Script]
    argument: str
    """What it gets when none is given; empty where it takes none."""
    about: str
    streams_only: bool = False
    """Means nothing to a reply that is not streamed."""


class Wanted(NamedTuple):
    """A fault that was asked for, and how often it strikes."""

    name: str
    argument: str
    every: int = 1
    turn: int = 0
    """Which of every so many calls."""
    percent: float = 100.0

    @property
    def text(self) -> str:
        """As it would be asked for."""
        often = f"@1/{self.every}" if self.every > 1 else f"@{self.percent:g}%" if self.percent < 100 else ""
        argument = f"={self.argument}" if self.argument != FAULTS[self.name].argument else ""
        return self.name + argument + often

    def strikes(self, slug: str, call_number: int) -> bool:
        """Whether it strikes the call of that number, counted from 1."""
        if self.percent < 100:
            return Dice("fault", slug, self.name, call_number).share() * 100 < self.percent
        return call_number % self.every == self.turn


def read(text: str) -> tuple[Wanted, ...]:
    """Read `name[=argument][@how often][,…]`. Raises Refusal for what is in no table."""
    return tuple(wanted for part in text.split(",") if part.strip() for wanted in _read_one(part.strip()))


def perform(script: Script, wanted: Iterable[Wanted], slug: str, call_number: int) -> Script:
    """The script with every fault that strikes this call. Raises Refusal for an argument that makes no sense."""
    for one in wanted:
        if one.strikes(slug, call_number):
            script = _applied(script, one)
    return script


def _read_one(part: str) -> tuple[Wanted, ...]:
    found = _ASKED.fullmatch(part)
    if not found:
        raise _unknown(part)
    name, argument, every, percent = found.groups()
    if name == "flaky":
        return _flaky(int(argument or 5))
    if name not in FAULTS:
        raise _unknown(name)
    given = FAULTS[name].argument if argument is None else argument
    return (Wanted(name, given, max(1, int(every or 1)), percent=float(percent or 100)),)


def _flaky(every: int) -> tuple[Wanted, ...]:
    """Every so many calls one fails, each time in another way."""
    round_length = max(1, every) * len(_FLAKY)
    kinds = [_read_one(name)[0] for name in _FLAKY]
    return tuple(
        kind._replace(every=round_length, turn=max(1, every) * (number + 1) % round_length)
        for number, kind in enumerate(kinds)
    )


def _applied(script: Script, wanted: Wanted) -> Script:
    fault = FAULTS[wanted.name]
    if fault.streams_only and not script.streamed:
        return script
    try:
        return fault.apply(script, wanted.argument)
    except (ValueError, OverflowError, IndexError):
        raise Refusal(
            "invalid_request",
            f"The practice fault {wanted.name} can do nothing with {wanted.argument!r} here.",
            why=fault.about,
            fix=f"Write it like {wanted.name}={fault.argument}." if fault.argument else "",
        ) from None


def _unknown(name: str) -> Refusal:
    near = difflib.get_close_matches(name, FAULTS, 1)
    return Refusal(
        "invalid_request",
        f"There is no practice fault {name[:60]!r}.",
        why=f"Known faults: {', '.join(FAULTS)}.",
        fix=f"Did you mean {near[0]}?" if near else "Write name, name=argument, name@1/5 or name@20%.",
    )


def _of_streams(apply: Callable[[Script, str], Script], argument: str, about: str) -> Fault:
    return Fault(apply, argument, about, streams_only=True)


FAULTS: Final[dict[str, Fault]] = {
    # Refusals and other whole replies.
    "status": Fault(before.status, "500", "Answers with this status and OpenAI's error envelope."),
    "status_500": Fault(before.status, "500", "Answers 500."),
    "status_503": Fault(before.status, "503", "Answers 503."),
    "status_408": Fault(before.status, "408", "Answers 408."),
    "rate_limited": Fault(before.rate_limited, "30", "Answers 429; Retry-After as given, `date`, `date:90` or `none`."),
    "refuses_key": Fault(before.status, "401", "Refuses the key with 401, or 403."),
    "bad_request_400": Fault(before.status, "400", "Says that the request is wrong."),
    "not_found_404": Fault(before.status, "404", "Does not know the model."),
    "too_large_413": Fault(before.status, "413", "Finds the request too large."),
    "early_413": Fault(before.status, "413", "Answers 413 before a body over 64 KiB has come."),
    "unprocessable_422": Fault(before.status, "422", "Cannot process the request."),
    "context_too_long": Fault(before.context_too_long, "4096", "Answers 400 context_length_exceeded."),
    "error_in_200": Fault(before.error_in_200, "500", "Answers 200 with an error as its JSON body."),
    "wrong_content_type": Fault(before.wrong_content_type, "text/html", "Answers with a page, as captive networks do."),
    "redirect": Fault(before.redirect, "302", "Redirects to /practice/redirected, which nobody should follow."),
    "empty_200": Fault(before.empty, "200", "Answers 200 without a body."),
    "no_content_204": Fault(before.empty, "204", "Answers 204."),
    "header_bomb": Fault(before.header_bomb, "100000", "Adds one header of so many bytes, or `fields:500` small ones."),
    "gzip_stream": Fault(before.compressed, "gzip", "Compresses the reply, asked or not."),
    # Connections that end too soon, or wait.
    "slow_first_word": Fault(before.slow_first_word, "5", "Waits so many seconds before the first frame."),
    "head_at_once": Fault(before.head_at_once, "", "Sends status and headers before the first word."),
    "silent": Fault(before.silent, "", "Takes the call and never answers."),
    "head_then_silent": Fault(before.head_then_silent, "", "Sends status and headers, and then nothing."),
    "close_before": Fault(before.close_before, "", "Closes the connection without a byte."),
    "reset_before": Fault(before.reset_before, "", "Resets the connection without a byte."),
    "close_after_head": Fault(before.close_after_head, "", "Closes the connection after the headers."),
    "reset_after_head": Fault(before.reset_after_head, "", "Resets the connection after the headers."),
    "reset_reused": Fault(before.reset_reused, "", "Resets without a byte a connection that has served a call."),
    # Within a reply.
    "cut_mid_stream": Fault(within.cut_mid_stream, "3", "Closes the connection after so many frames."),
    "reset_mid_stream": Fault(within.reset_mid_stream, "3", "Resets the connection after so many frames."),
    "unfinished": Fault(within.unfinished, "3", "Ends properly, but after so many frames."),
    "stalls": Fault(within.stalls, "3", "Goes silent after so many frames; `3:0.5` for half a second."),
    "no_done": _of_streams(within.no_done, "", "Leaves out [DONE]."),
    "no_finish": _of_streams(within.no_finish, "", "Leaves out the finish reason, but not [DONE]."),
    "never_ends": Fault(within.never_ends, "", "Says everything, and then neither ends the message nor closes."),
    "late_usage": _of_streams(within.late_usage, "1", "Waits so many seconds before the frame with the usage."),
    "error_first_event": Fault(within.error_first_event, "500", "Streams an error with this code as its first event."),
    "error_mid_stream": _of_streams(within.error_mid_stream, "3", "Ends with an error event after so many frames."),
    "error_text_mid_stream": _of_streams(within.error_text_mid_stream, "3", "The same in TGI's words."),
    "garbage_frame": Fault(within.garbage_frame, "3", "Puts an event that is no JSON at this place."),
    "bad_utf8": Fault(within.bad_utf8, "3", "Puts an event with bytes that are no UTF-8 at this place."),
    "crlf_frames": _of_streams(within.crlf_frames, "", "Ends lines with CR LF."),
    "cr_frames": _of_streams(within.cr_frames, "", "Ends lines with CR alone."),
    "multi_line_data": _of_streams(within.multi_line_data, "", "Writes each event as two data lines."),
    "bom": Fault(within.bom, "", "Begins with a byte order mark."),
    "no_space_after_colon": _of_streams(within.no_space_after_colon, "", "Writes `data:` without the space."),
    "other_fields": _of_streams(within.other_fields, "", "Adds event, id and retry lines."),
    "comments": _of_streams(within.comments, "", "Sends a comment before each frame, as keep-alives do."),
    "empty_frames": _of_streams(within.empty_frames, "1", "Puts `{}` and frames with empty choices at this place."),
    "repeats_frame": _of_streams(within.repeats_frame, "2", "Sends the frame of this number twice."),
    "huge_event": Fault(within.huge_event, "1100000", "Sends one event of so many bytes."),
    "huge_reply": Fault(within.huge_reply, "68000000", "Sends so many bytes of text in events of 64 KiB."),
    "frames_after_done": _of_streams(within.frames_after_done, "", "Goes on after [DONE]."),
    "two_finish_reasons": _of_streams(within.two_finish_reasons, "", "Finishes twice, with different reasons."),
    "null_model": Fault(within.null_model, "", "Says null for the model."),
    "no_model": Fault(within.no_model, "", "Leaves the model out."),
    "role_each_frame": _of_streams(within.role_each_frame, "", "Says the role in every frame, and null tool calls."),
    "usage_missing": Fault(within.usage_missing, "", "Tells no usage though it was asked."),
    "usage_negative": Fault(within.usage_negative, "", "Tells negative tokens."),
    "usage_huge": Fault(within.usage_huge, "", "Tells a quintillion tokens."),
    "usage_float": Fault(within.usage_float, "", "Tells fractions of tokens."),
    "usage_text": Fault(within.usage_text, "", "Tells tokens as text."),
    "usage_zero": Fault(within.usage_zero, "", "Tells zero tokens, which counts as told."),
    "usage_each_chunk": _of_streams(within.usage_each_chunk, "", "Tells growing usage everywhere; the last is true."),
    "usage_twice": _of_streams(within.usage_twice, "", "Tells a wrong usage first and the true one after it."),
    "usage_with_finish": _of_streams(within.usage_with_finish, "", "Tells the usage in the frame that finishes."),
    # How it is written.
    "cut_at": Fault(within.cut_at, "100", "Writes the body in two parts, the first of so many bytes."),
    "dribble": Fault(within.dribble, "1", "Writes the body so many bytes at a time."),
    "pace": Fault(within.pace, "0.05", "Waits so many seconds between frames."),
    # HTTP itself.
    "short_body": Fault(wire.short_body, "", "Promises more bytes than it sends."),
    "no_length": Fault(wire.no_length, "", "Tells no length: the body ends with the connection."),
    "bad_chunk": Fault(wire.bad_chunk, "", "Breaks the chunked encoding in the middle."),
    "length_and_chunked": Fault(wire.length_and_chunked, "", "Sends both Content-Length and Transfer-Encoding."),
    "garbage_head": Fault(wire.garbage_head, "", "Answers in another protocol."),
    "more_than_asked": Fault(wire.more_than_asked, "", "Sends a second reply behind the first."),
    "interim_replies": Fault(wire.interim_replies, "", "Sends 100 and 103 before the real reply."),
    "closes_unsaid": Fault(wire.closes_unsaid, "", "Closes after a good reply without having said so."),
}  # fmt: skip
"""Every fault by name. Documentation and `waypost practice` are generated from this table."""
