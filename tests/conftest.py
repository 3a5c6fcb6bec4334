"""What every test stands on: no network beyond loopback, nothing of the caller's environment, nothing left open."""

from __future__ import annotations

import gc
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import loopback
import pytest
from environment import JAVASCRIPT, find_node
from postgres_server import NEWEST, OLDEST, PostgresServer
from running import run_to_end

FOREIGN_VARIABLES = re.compile(
    r"WAYPOST_|HF_|HUGGING|OPENAI_|OTEL_|.*_API_KEY$|.*_TOKEN$|(http|https|all|no)_proxy$", re.IGNORECASE
)
"""What a developer's shell may hold and a test must never see: keys, tokens, proxies, our own settings."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the long forms of the tests that have one")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keeps_sockets: this test leaves sockets to a client's own pool, knowingly")
    environment = os.environ  # noqa: TID251 (to clean it, for child processes too)
    for name in filter(FOREIGN_VARIABLES.match, list(environment)):
        del environment[name]
    # Hugging Face's library keeps tokens and caches at home; tests have a home of their own for them.
    home = tempfile.TemporaryDirectory(prefix="waypost-tests-")
    config.add_cleanup(home.cleanup)
    environment |= {"HF_HOME": home.name, "HF_HUB_DISABLE_TELEMETRY": "1"}
    loopback.guard_sockets()
    loopback.guard_uvloop()
    # No deadlines on a busy machine; the same examples each time, and ten times as many new ones when asked for.
    hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
    hypothesis.settings.register_profile("full", deadline=None, max_examples=1000)
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "house")


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long form was asked for (`./dev test --full`)."""
    return bool(request.config.getoption("--full"))


@pytest.fixture
def run() -> Any:
    """`run(coroutine)`: on uvloop, with a deadline, and failing when it leaves a task behind."""
    return run_to_end


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js for the tests of JavaScript clients, whose packages are in `tests/clients/js`."""
    assert (JAVASCRIPT / "node_modules").is_dir(), "./dev test installs the JavaScript clients; run it once"
    return find_node().node


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A real Postgres, the oldest we know; the newest in the long form."""
    server = PostgresServer(NEWEST if pytestconfig.getoption("--full") else OLDEST)
    yield server
    server.stop()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    address = postgres.new_database()
    yield address
    postgres.drop(address)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """A test that asks for it runs on both engines. As in the settings: an address, or None for the file."""
    return request.getfixturevalue("postgres_database") if request.param == "postgres" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    return _refuse_skip((yield), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    return _refuse_skip((yield), collector.nodeid)


def _refuse_skip(report: Any, name: str) -> Any:
    """A skipped test is a part nobody looked at; in CI that is a failure."""
    if report.skipped and os.environ.get("CI"):  # noqa: TID251 (every CI says so this way)
        report.outcome = "failed"
        report.longrepr = f"{name} was skipped, which is a failure in CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _stays_on_loopback() -> Iterator[None]:
    yield
    seen, loopback.trespasses[:] = list(loopback.trespasses), []
    assert not seen, f"this test reached beyond loopback: {seen}"


@pytest.fixture(autouse=True)
def _leaves_nothing_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sockets and threads are as many after a test as before it."""
    sockets, threads = _open_sockets(), set(threading.enumerate())
    yield
    if request.node.get_closest_marker("keeps_sockets"):
        return
    if _open_sockets() > sockets:
        gc.collect()
    assert _open_sockets() <= sockets, "this test left a socket open"
    left = {thread for thread in threading.enumerate() if not thread.daemon} - threads
    assert not left, f"this test left threads running: {left}"


def _open_sockets() -> int:
    count = 0
    for entry in os.listdir("/dev/fd"):  # noqa: PTH208 (Path would stat each of them)
        try:
            count += stat.S_ISSOCK(os.fstat(int(entry)).st_mode)
        except OSError:
            continue  # the descriptor that listed the folder
    return count
