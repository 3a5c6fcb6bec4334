import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.problems import Refusal
from waypost.identity.credentials import bearer, credential_of, described, fault_of
from waypost.identity.tokens import mint

WHOLE = mint("wp_").secret
WRONG = WHOLE[:10] + ("A" if WHOLE[10] != "A" else "B") + WHOLE[11:]


def problem(authorization: bytes | None) -> Refusal:
    """What is wrong with a header whose token nobody knows."""
    try:
        found = fault_of(bearer(authorization))
    except Refusal as refusal:
        return refusal
    assert found is not None
    return found


SPOILT = [
    ("bearer twice", f"Bearer Bearer {WHOLE}", "begins with the word Bearer a second time"),
    ("bearer glued", f"Bearer Bearer{WHOLE}", "begins with the word Bearer a second time"),
    ("variable", "Bearer $HF_TOKEN", "the name of a variable"),
    ("variable in braces", "Bearer ${HF_TOKEN}", "the name of a variable"),
    ("template", "Bearer {{ token }}", "the name of a variable"),
    ("placeholder", "Bearer <your-token>", "the name of a variable"),
    ("windows variable", "Bearer %HF_TOKEN%", "the name of a variable"),
    ("python's none", "Bearer None", "writes where a value is missing"),
    ("javascript's undefined", "Bearer undefined", "writes where a value is missing"),
    ("quoted null", 'Bearer "null"', "writes where a value is missing"),
    ("double quotes", f'Bearer "{WHOLE}"', "there are quotes in it"),
    ("single quote", f"Bearer '{WHOLE}", "there are quotes in it"),
    ("space inside", f"Bearer {WHOLE[:9]} {WHOLE[9:]}", "white space or a line break"),
    ("line break inside", f"Bearer {WHOLE[:9]}\r\n{WHOLE[9:]}", "white space or a line break"),
    ("line break at the end", f"Bearer {WHOLE}\n", "white space or a line break"),
    ("no-break space", f"Bearer {WHOLE}\xa0", "white space or a line break"),
    ("dots of an example", "Bearer wp_…", "dots where the rest"),
    ("three dots of an example", "Bearer wp_...", "dots where the rest"),
    ("zero-width space", f"Bearer {WHOLE}\u200b", "characters in it that no token has"),
    ("nul", f"Bearer {WHOLE}\0", "characters in it that no token has"),
    ("jwt", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", "signed web token"),
    ("hugging face", "Bearer hf_" + "aB" * 17, "a token of Hugging Face"),
    ("hugging face oauth", "Bearer hf_oauth_eyJx", "a token of Hugging Face"),
    ("openai", "Bearer sk-proj-" + "x" * 40, "a key of a provider"),
    ("groq", "Bearer gsk_" + "x" * 40, "a key of a provider"),
    ("wrong letter", f"Bearer {WRONG}", "checksum is wrong"),
    ("cut", f"Bearer {WHOLE[:-3]}", "this has 30, too few: it was cut"),
    ("doubled", f"Bearer {WHOLE}{WHOLE[3:]}", "this has 66, too many"),
    ("no prefix", f"Bearer {WHOLE[3:]}", "this has no prefix"),
    ("odd letter", f"Bearer {WHOLE[:-1]}-", "characters in it that no token has"),
    ("basic", "Basic dXNlcjpwYXNz", "uses the scheme Basic"),
    ("apikey", "ApiKey abc", "uses the scheme ApiKey"),
    ("colon", f"Bearer: {WHOLE}", "a colon or a quote at the word Bearer"),
    ("name in value", f"Authorization: Bearer {WHOLE}", "a colon or a quote at the word Bearer"),
    ("no scheme", WHOLE, "the word Bearer is missing"),
    ("other words", f"Please {WHOLE}", "does not begin with the word Bearer"),
]


@pytest.mark.parametrize(("authorization", "why"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_malformed_token_is_told_what_is_wrong_and_never_repeated(authorization, why) -> None:
    refusal = problem(authorization.encode())
    assert (refusal.code, refusal.status) == ("token_malformed", 401)
    assert why in refusal.why
    assert refusal.why in refusal.message
    assert refusal.fix
    assert refusal.headers == (("WWW-Authenticate", "Bearer"),)


@pytest.mark.parametrize("authorization", [None, b"", b"  ", b"Bearer", b"Bearer ", b"bearer \t"])
def test_a_missing_token_is_not_a_malformed_one(authorization) -> None:
    refusal = problem(authorization)
    assert (refusal.code, refusal.status) == ("token_missing", 401)
    assert "Bearer <token>" in refusal.fix


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER   {}", " Bearer {} ", "Bearer {}\t"])
def test_the_word_bearer_may_be_spelled_as_http_allows(spelling) -> None:
    assert bearer(spelling.format(WHOLE).encode()) == WHOLE
    assert fault_of(WHOLE) is None


@given(st.binary(max_size=80) | st.text(max_size=60).map(lambda text: b"Bearer " + text.encode()))
def test_whatever_is_sent_is_refused_in_words_of_ours_alone(authorization) -> None:
    refusal = problem(authorization)
    assert refusal.code in ("token_missing", "token_malformed")
    said = f"{refusal.message} {refusal.why} {refusal.fix} {described(authorization)}"
    assert said.isascii()
    secret = authorization.decode("latin-1").removeprefix("Bearer ").strip()
    assert len(secret) < 12 or secret not in said


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [
        (None, "no Authorization header"),
        (b"Basic dXNlcjpwYXNz", "Basic, 18 bytes"),
        (b"Hawk 1", "another scheme, 6 bytes"),
        (WHOLE.encode(), "another scheme, 36 bytes"),
        (f"Bearer {WHOLE}".encode(), "Bearer, 36 characters"),
        (f"Bearer {WRONG}".encode(), "Bearer, 36 characters: its checksum is wrong, so a letter of it is"),
    ],
)
def test_the_operator_sees_what_a_credential_looked_like(authorization, shown) -> None:
    assert described(authorization) == shown


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "x-goog-api-key"])
def test_a_key_in_another_header_is_told_by_the_headers_name_alone(name) -> None:
    shown = credential_of({b"host": b"x", name.encode(): WHOLE.encode()})
    refusal = problem(shown)
    assert refusal.code == "token_missing"
    for text in (refusal.message, refusal.why, refusal.fix, described(shown)):
        assert name in text
        assert WHOLE not in text
    assert "Authorization: Bearer" in refusal.message
    assert "Authorization: Bearer" in refusal.fix


def test_an_authorization_header_is_read_whatever_stands_beside_it() -> None:
    assert credential_of({b"authorization": b"Bearer x", b"x-api-key": b"y"}) == b"Bearer x"
    assert credential_of({b"host": b"x"}) is None
