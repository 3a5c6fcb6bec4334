"""A serving process with what the system gives it."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import ssl
import time
from dataclasses import replace

import apsw
import pytest
import trustme
from failing_disk import failing_disk
from inside import inside
from sample_bills import Bills
from wayside import MODEL, chat, endpoint_row, get, post, provider, provider_rows

from waypost.app_settings import FILES_OF_OUR_OWN, connections_bearable
from waypost.practice.server import start
from waypost.store.reader import Reader

pytestmark = pytest.mark.keeps_sockets  # the router keeps its free connections to the providers
CALLS = (
    chat(),
    chat(stream=False),
    chat(stream_options={"include_usage": True}),
    chat("acme/none"),
    chat(messages="none"),
    chat(f"{MODEL}:practice"),
)


def test_no_more_connections_are_taken_than_there_are_files_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        assert connections_bearable(100) == 100
        assert connections_bearable(16_384) == (1024 - FILES_OF_OUR_OWN) // 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_certificate_renewed_in_its_place_is_shown_after_a_reload(tmp_path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def renew() -> bytes:
        leaf = trustme.CA().issue_cert("127.0.0.1")
        leaf.cert_chain_pems[0].write_to_path(cert)
        leaf.private_key_pem.write_to_path(key)
        return ssl.PEM_cert_to_DER_cert(cert.read_text())

    async def shown(port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return found

    async def story() -> None:
        first = renew()
        settings = f'[practice]\nenabled = false\n[server]\ntls_cert_file = "{cert}"\ntls_key_file = "{key}"\n'
        async with inside(tmp_path / "home", settings) as house:
            assert await shown(house.port) == first
            second = renew()
            house.serving.use(house.serving.settings)
            assert await shown(house.port) == second
            key.write_text("spoilt")
            with pytest.raises(ssl.SSLError):
                house.serving.use(house.serving.settings)
            assert await shown(house.port) == second

    asyncio.run(story())


def test_how_long_waybills_are_kept_is_taken_up_by_a_reload(tmp_path) -> None:
    async def story() -> None:
        async with inside(tmp_path, "") as house:
            await asyncio.gather(*(house.serving.books.file(bill) for bill in Bills().some(1_100)))
            settings = house.serving.settings
            fewer = replace(settings, waybills=replace(settings.waybills, keep_days=36_500, keep_rows_max=1_000))
            house.serving.use(fewer)
            assert house.serving.needs_restart == ()
            reader = Reader(settings.data_folder)
            async with asyncio.timeout(4):
                while reader.counts()["requests"] != 1_000:
                    await asyncio.sleep(0.02)
            reader.close()

    asyncio.run(story())


def test_a_call_leaves_no_cyclic_garbage(tmp_path) -> None:
    """What cycles hold is freed only when the collector comes, which is seldom: memory would grow meanwhile."""

    async def story() -> list[object]:
        providers = await start((provider("alpha"),))
        settings = provider_rows(providers.base_urls) + endpoint_row(MODEL, "alpha")
        async with inside(tmp_path / "home", settings) as house, house.client() as client:

            async def calls() -> None:
                for body in CALLS:
                    answer = await client.ask(post(house.token, body))
                    assert (answer.status == 200) == (body["model"] == MODEL and body["messages"] != "none")

            await calls()
            gc.collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(3):
                    await calls()
                gc.collect()
                found = [each for each in gc.garbage if type(each).__module__.startswith("waypost.")]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
        await providers.close()
        return found

    assert asyncio.run(story()) == []


def test_who_cannot_write_waybills_is_not_ready_within_a_second_and_is_again_by_itself(tmp_path) -> None:
    async def ready(house) -> tuple[int, list[str]]:
        async with house.client() as client:
            answer = await client.ask(get("", "/ready"))
        return answer.status, json.loads(answer.body).get("reasons", [])

    async def becomes(house, status: int) -> list[str]:
        while (said := await ready(house))[0] != status:
            await asyncio.sleep(0.02)
        return said[1]

    async def story(disk) -> None:
        async with inside(tmp_path, "[practice]\nenabled = false\n") as house, house.client() as client:
            assert (await ready(house))[0] == 200
            disk.write_error = apsw.FullError
            client.send(post(house.token, chat()))  # its refusal waits until the disk is given up
            began = time.monotonic()
            async with asyncio.timeout(5):
                reasons = await becomes(house, 503)
            assert time.monotonic() - began < 1.5
            assert reasons == ["ledger_unavailable: waybills cannot be written: the test's disk"]
            async with house.client() as other:
                page = (await other.ask(get("", "/metrics"))).body
            assert b"\nwaypost_unwritten_waybills 1\n" in page
            disk.write_error = None
            async with asyncio.timeout(5):
                assert await becomes(house, 200) == []
            assert (await client.answer()).headers["x-error-code"] == "model_not_found"

    with failing_disk() as disk:
        asyncio.run(story(disk))
