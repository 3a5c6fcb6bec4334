"""The vault: what is sealed opens for the same purpose and the same owner, with a file that is ours alone."""

import multiprocessing
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.identity.vault import FILE, PROVIDER_KEYS, REPLIES, Unopened, Vault, key_of
from waypost.store.books import DataError

ABOUT = ("user:1", "alpha", "https://alpha.example/v1")
SECRET = b"sk-very-secret-indeed"


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def test_what_was_sealed_opens_again_also_in_another_process(vault, tmp_path) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    assert vault.open(PROVIDER_KEYS, sealed, ABOUT) == SECRET
    assert Vault(tmp_path).open(PROVIDER_KEYS, sealed, ABOUT) == SECRET


def test_nothing_of_it_can_be_seen_and_no_two_are_alike(vault) -> None:
    one, two = (vault.seal(PROVIDER_KEYS, SECRET, ABOUT) for _ in range(2))
    assert one != two
    assert SECRET not in one
    assert key_of(one) == key_of(two) == vault.newest


@pytest.mark.parametrize(
    "about",
    [
        ("user:2", "alpha", ABOUT[2]),
        ("user:1", "beta", ABOUT[2]),
        ("user:1", "alpha", "https://evil.example/v1"),
        ("user:1alpha", "", ABOUT[2]),
        ("user:1", "alpha"),
        (),
    ],
)
def test_it_opens_for_nothing_else(vault, about) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    with pytest.raises(Unopened):
        vault.open(PROVIDER_KEYS, sealed, about)


def test_each_purpose_has_a_key_of_its_own(vault) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    with pytest.raises(Unopened):
        vault.open(REPLIES, sealed, ABOUT)


@given(place=st.integers(0, 40), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(tmp_path_factory, place, bit) -> None:
    vault = Vault(tmp_path_factory.mktemp("vault"))
    sealed = bytearray(vault.seal(PROVIDER_KEYS, SECRET, ABOUT))
    sealed[place] ^= 1 << bit
    with pytest.raises(Unopened):
        vault.open(PROVIDER_KEYS, bytes(sealed), ABOUT)


@pytest.mark.parametrize("length", [0, 1, 5, 16, 17, 30])
def test_a_piece_of_it_opens_nothing(vault, length) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    with pytest.raises(Unopened):
        vault.open(PROVIDER_KEYS, sealed[:length], ABOUT)


def test_the_file_is_made_when_something_is_sealed_and_is_ours_alone(vault, tmp_path) -> None:
    vault.check()
    assert list(tmp_path.iterdir()) == []
    vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    (path,) = tmp_path.iterdir()
    assert path.name == FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_file_that_others_can_read_or_write_is_refused(vault, tmp_path, mode) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    (tmp_path / FILE).chmod(mode)
    for use in (Vault(tmp_path).check, lambda: vault.seal(PROVIDER_KEYS, SECRET, ABOUT)):
        with pytest.raises(DataError, match="chmod 600"):
            use()
    with pytest.raises(DataError):
        Vault(tmp_path).open(PROVIDER_KEYS, sealed, ABOUT)


@pytest.mark.parametrize("text", ["", "zz yy\n", "00112233\n", "0011 " + "00" * 32 + "\n", "00112233 0011\n"])
def test_a_damaged_file_is_told_and_nothing_of_it_is_shown(tmp_path, text) -> None:
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(DataError, match="cannot be read") as told:
        Vault(tmp_path).check()
    assert "00" * 32 not in str(told.value)


def test_without_its_file_nothing_opens(vault, tmp_path) -> None:
    sealed = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    (tmp_path / FILE).unlink()
    with pytest.raises(Unopened):
        Vault(tmp_path).open(PROVIDER_KEYS, sealed, ABOUT)


def test_after_a_turn_other_processes_seal_with_the_new_key_and_open_what_is_old(vault, tmp_path) -> None:
    elsewhere = Vault(tmp_path)
    old = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    elsewhere.check()
    with vault.turned():
        assert not elsewhere.is_newest(old)
        new = elsewhere.seal(PROVIDER_KEYS, SECRET, ABOUT)
        assert key_of(new) != key_of(old)
        assert elsewhere.open(PROVIDER_KEYS, old, ABOUT) == SECRET
    assert elsewhere.is_newest(new)
    assert Vault(tmp_path).open(PROVIDER_KEYS, new, ABOUT) == SECRET
    with pytest.raises(Unopened):
        Vault(tmp_path).open(PROVIDER_KEYS, old, ABOUT)


def test_a_turn_that_fails_half_way_loses_no_key(vault, tmp_path) -> None:
    old = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    turning = vault.turned()
    turning.__enter__()
    new = vault.seal(PROVIDER_KEYS, SECRET, ABOUT)
    with pytest.raises(KeyError):
        turning.gen.throw(KeyError)
    again = Vault(tmp_path)
    assert again.open(PROVIDER_KEYS, old, ABOUT) == again.open(PROVIDER_KEYS, new, ABOUT) == SECRET


def _seal_in(folder, out) -> None:
    out.put(Vault(folder).seal(PROVIDER_KEYS, SECRET, ABOUT))


def test_processes_that_seal_their_first_at_once_agree_on_one_key(tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    out = context.SimpleQueue()
    hands = [context.Process(target=_seal_in, args=(tmp_path, out)) for _ in range(4)]
    for hand in hands:
        hand.start()
    sealed = [out.get() for _ in hands]
    for hand in hands:
        hand.join()
    assert len({key_of(one) for one in sealed}) == 1
    assert all(Vault(tmp_path).open(PROVIDER_KEYS, one, ABOUT) == SECRET for one in sealed)
