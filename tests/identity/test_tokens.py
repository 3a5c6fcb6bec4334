import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.identity.tokens import ALPHABET, Digester, is_whole, mint

PREFIXES = st.sampled_from(["wp_", "hf_wp_", "acme_eu_1_"])


@given(PREFIXES)
def test_a_new_token_is_whole_and_made_of_plain_letters(prefix) -> None:
    minted = mint(prefix)
    body = minted.secret.removeprefix(prefix)
    assert is_whole(minted.secret)
    assert len(body) == 33
    assert set(body) <= set(ALPHABET)
    assert minted.last4 == minted.secret[-4:]


def test_no_two_tokens_are_the_same() -> None:
    assert len({mint("wp_").secret for _ in range(1000)}) == 1000


@given(PREFIXES, st.integers(0, 38), st.sampled_from(ALPHABET + "_"))
def test_one_wrong_letter_is_noticed(prefix, place, letter) -> None:
    secret = mint(prefix).secret
    place %= len(secret)
    spoilt = secret[:place] + letter + secret[place + 1 :]
    assert is_whole(spoilt) == (spoilt == secret)


@given(PREFIXES, st.integers(0, 40))
def test_a_cut_token_is_not_whole(prefix, kept) -> None:
    secret = mint(prefix).secret
    assert not is_whole(secret[: min(kept, len(secret) - 1)])
    assert not is_whole(secret + "\n")


@pytest.mark.parametrize("pepper", [b"", b"p", b"p" * 32, b"p" * 64, b"p" * 65, b"p" * 200])
@pytest.mark.parametrize("secret", [b"", b"wp_x", b"s" * 1000])
def test_the_digest_is_the_standard_librarys_hmac(pepper, secret) -> None:
    assert Digester(pepper).digest(secret) == hmac.digest(pepper, secret, "sha256")


def test_a_digester_gives_the_same_digest_each_time() -> None:
    digester = Digester(b"pepper")
    minted = mint("wp_")
    assert (
        digester.digest(minted.secret.encode()) == digester.digest(minted.secret.encode()) == minted.digest(b"pepper")
    )
    assert minted.digest(b"other") != minted.digest(b"pepper")
