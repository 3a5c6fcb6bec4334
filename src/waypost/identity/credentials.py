"""What is wrong with an Authorization header, said so that its sender can mend it, and never repeated.

Only asked when the header did not lead to a token: the way of a good call does not come by here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from waypost.domain.problems import Refusal
from waypost.identity.tokens import CHECKSUM_CHARACTERS, RANDOM_CHARACTERS, SHAPE, is_whole

HOW: Final = "Send `Authorization: Bearer <token>`, with the token as it was shown when it was made."
CHALLENGE: Final = (("WWW-Authenticate", "Bearer"),)
OUR_CHARACTERS: Final = RANDOM_CHARACTERS + CHECKSUM_CHARACTERS
OTHER_SCHEMES: Final = ("Basic", "Digest", "Negotiate", "ApiKey", "Token")
OTHER_HEADERS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where clients of other APIs put their key; nothing there is read."""
ELSEWHERE: Final = b"\0"
"""What no header can hold: before the name of the header that came instead of Authorization."""
SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")


class Fault(NamedTuple):
    """A way to spoil a token."""

    seen: Callable[[str], bool]
    why: str
    fix: str


ELLIPSIS: Final = "…".encode().decode("latin-1")
"""As a header is read: this one stands for a token in examples, and is pasted with them."""
FAULTS: Final = (
    Fault(
        lambda secret: secret.lower().startswith("bearer"),
        "it begins with the word Bearer a second time",
        "Your client writes Bearer by itself: give it the token alone.",
    ),
    Fault(
        lambda secret: secret.startswith(("$", "%", "{{", "<", "${")) or secret.endswith(("}", "%", ">")),
        "it looks like the name of a variable, not like its value",
        "Let the shell or the configuration put the value in: double quotes in a shell, not single ones.",
    ),
    Fault(
        lambda secret: secret.strip("\"'").lower() in {"none", "null", "undefined", "nan", "false", "true"},
        "it is the word that a program writes where a value is missing",
        "Set the variable that your program reads the token from; it is empty where it runs.",
    ),
    Fault(
        lambda secret: any(mark in secret for mark in "\"'`"),
        "there are quotes in it",
        "Take the quotes off where the token is stored: in .env and Docker files they become part of the value.",
    ),
    Fault(
        lambda secret: any(letter.isspace() for letter in secret),
        "there is white space or a line break in it",
        "Copy the token again without spaces and line breaks; `tr -d '\\n'` takes one off the end of a file.",
    ),
    Fault(
        lambda secret: ELLIPSIS in secret or "..." in secret,
        "it has dots where the rest of a token should be",
        "Put your own token there: it was shown when it was made, and `waypost tokens create NAME` makes another.",
    ),
    Fault(
        lambda secret: not secret.isascii() or not secret.isprintable(),
        "there are characters in it that no token has",
        "Copy the token again from where it was shown; something on the way put in invisible characters.",
    ),
    Fault(
        lambda secret: secret.startswith("eyJ"),
        "it is a signed web token (JWT), such as a browser session has",
        "Make a token for programs: `waypost tokens create`.",
    ),
    Fault(
        lambda secret: re.fullmatch(r"hf_[A-Za-z]{30,40}|api_org_\w+|hf_oauth_.*", secret) is not None,
        "it is a token of Hugging Face, which this router does not know",
        "Make a token here: `waypost tokens create`. Set your client's key, not only its address.",
    ),
    Fault(
        lambda secret: secret.startswith(("sk-", "gsk_", "xai-", "nvapi-", "csk-", "fw_", "AIza")),
        "it is a key of a provider, and callers of this router need a token of its own",
        "Make a token here: `waypost tokens create`. The provider's key belongs into the router's settings.",
    ),
    Fault(
        lambda secret: SHAPE.fullmatch(secret) is not None and not is_whole(secret),
        "its checksum is wrong, so a letter of it is",
        "Copy the token again from where it was shown; do not type it.",
    ),
)
"""In the order in which they are looked for."""


def credential_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The Authorization header; where a key came in another one instead, a note of which, for `bearer` to tell."""
    authorization = headers.get(b"authorization")
    if authorization is None:
        return next((ELSEWHERE + name for name in OTHER_HEADERS if name in headers), None)
    return authorization


def bearer(authorization: bytes | None) -> str:
    """The token in this header. Raises Refusal `token_missing` or `token_malformed`."""
    if authorization is None:
        raise _missing("no Authorization header was sent")
    if authorization.startswith(ELSEWHERE):
        raise _elsewhere(authorization[1:].decode())
    scheme, rest = _split(authorization)
    if not scheme:
        raise _missing("the Authorization header is empty")
    if scheme.lower() != "bearer":
        raise _wrong_scheme(scheme, rest)
    if not rest:
        raise _missing("the Authorization header says Bearer, and nothing follows")
    return rest


def fault_of(secret: str) -> Refusal | None:
    """What is wrong with a token's text; None where nothing is, and it is simply not known."""
    for fault in FAULTS:
        if fault.seen(secret):
            return _malformed(fault.why, fault.fix)
    return None if is_whole(secret) else _wrong_shape(secret)


def described(authorization: bytes | None) -> str:
    """What a credential looked like, for the operator; nothing of it is repeated."""
    if authorization is None:
        return "no Authorization header"
    if authorization.startswith(ELSEWHERE):
        return f"no Authorization header, but {authorization[1:].decode()}"
    scheme, rest = _split(authorization)
    if scheme.lower() != "bearer":
        return f"{_known_scheme(scheme) or 'another scheme'}, {len(authorization)} bytes"
    fault = next((fault.why for fault in FAULTS if fault.seen(rest)), "")
    return f"Bearer, {len(rest)} characters" + (f": {fault}" if fault else "")


def _split(authorization: bytes) -> tuple[str, str]:
    """Scheme and credential, without the blanks around them."""
    scheme, _, rest = authorization.decode("latin-1").strip(" \t").partition(" ")
    return scheme, rest.strip(" \t")


def _known_scheme(scheme: str) -> str | None:
    return next((name for name in OTHER_SCHEMES if name.lower() == scheme.lower()), None)


def _wrong_scheme(scheme: str, rest: str) -> Refusal:
    known = _known_scheme(scheme)
    if known is not None:
        return _malformed(f"it uses the scheme {known}, and this router knows Bearer", HOW)
    if scheme.lower() in {"bearer:", "authorization:", "'bearer", '"bearer'}:
        return _malformed("there is a colon or a quote at the word Bearer", HOW)
    if not rest and SECRET_LIKE.fullmatch(scheme):
        return _malformed("the word Bearer is missing before the token", HOW)
    return _malformed("it does not begin with the word Bearer and a space", HOW)


def _wrong_shape(secret: str) -> Refusal:
    prefix, _, body = secret.rpartition("_")
    if not prefix:
        return _malformed(
            f"a token of this router is a prefix such as wp_ and {OUR_CHARACTERS} characters; this has no prefix",
            "Copy the whole token, with its prefix.",
        )
    if len(body) != OUR_CHARACTERS:
        problem = "too few: it was cut" if len(body) < OUR_CHARACTERS else "too many"
        return _malformed(
            f"after its prefix a token of this router has {OUR_CHARACTERS} characters; this has {len(body)}, {problem}",
            "Copy the whole token again from where it was shown.",
        )
    return _malformed("there are characters in it that no token has", "Copy the token again from where it was shown.")


def _malformed(why: str, fix: str) -> Refusal:
    return Refusal("token_malformed", f"The token is malformed: {why}.", why=why, fix=fix, headers=CHALLENGE)


def _missing(why: str) -> Refusal:
    return Refusal("token_missing", "This call needs a token, and none was sent.", why=why, fix=HOW, headers=CHALLENGE)


def _elsewhere(header: str) -> Refusal:
    return Refusal(
        "token_missing",
        f"This call needs a token in `Authorization: Bearer`; the header `{header}` that came is not read.",
        why=f"no Authorization header was sent, but the header {header} was",
        fix=f"Send `Authorization: Bearer <token>` in place of `{header}`, with a token of this router.",
        headers=CHALLENGE,
    )
