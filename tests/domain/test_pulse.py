import msgspec

from waypost.domain.pulse import CallResult, PulseDelta


def test_a_delta_comes_back_from_messagepack_as_it_went() -> None:
    delta = PulseDelta(("acme/one", "alpha"), 1_790_000_000_000, (1.0, 0.25))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([delta]), type=list[PulseDelta]) == [delta]


def test_a_result_that_says_only_who_is_to_blame_teaches_nothing_else() -> None:
    result = CallResult("failure")
    assert (result.first_word_ms, result.output_tokens, result.output_ms) == (None, 0, 0.0)
