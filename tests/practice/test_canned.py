"""The prepared replies of benchmarks."""

import json

from practiceclient import ask, fetch, practice

from waypost.practice import canned
from waypost.practice.profiles import BENCH


def test_the_bench_provider_sends_a_kilobyte_or_a_hundred_frames_of_180_bytes(run):
    async def call():
        async with practice((BENCH,)) as servers:
            server = servers["practice-bench"]
            whole = await fetch(server, ask(model="bench/burst"))
            assert (len(whole.body), whole.json["usage"]["total_tokens"]) == (1024, 300)
            burst = await fetch(server, ask(model="bench/burst", stream=True))
            paced = await fetch(server, ask(model="bench/paced", stream=True))
            for wire in (burst, paced):
                assert [len(event) + 2 for event in wire.events[:-1]] == [180] * 100
                assert wire.values[-1]["usage"]["completion_tokens"] == 100
                assert wire.values[-2]["choices"][0]["finish_reason"] == "stop"
            assert paced.body == burst.body
            assert len(paced.reads) > 20

    run(call())


def test_every_prepared_frame_is_json_of_the_right_size():
    *frames, done = canned.frames()
    assert {len(frame) for frame in frames} == {canned.FRAME_BYTES}
    assert [json.loads(frame[6:])["choices"][0]["finish_reason"] for frame in frames[:-1]] == [None] * 98 + ["stop"]
    assert done == b"data: [DONE]\n\n"
    assert len(canned.whole_body()) == canned.WHOLE_BYTES
