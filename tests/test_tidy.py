"""The house rules as tests: sizes, names, and that tests mirror sources. The rules are in `support/tidiness.py`."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from tidiness import (
    MODULE_LINES_MAX,
    ROOT,
    SOURCES,
    TESTS,
    Rule,
    built_sql,
    dangerous_calls,
    hidden_imports,
    length,
    long_functions,
    long_modules,
    many_parameters,
    modules,
    read_module,
    repeated_file_names,
    unfinished_marks,
    vague_names,
)

OURS = modules(SOURCES, ROOT / "tools")
BENCH = modules(ROOT / "bench")
EVERYTHING = [*OURS, *BENCH, *modules(TESTS, ROOT / "examples")]

LAZY_IMPORTS: set[str] = set()
"""Modules that may import inside functions. None: the command line imports its commands by name when one is used."""

BAD_EXAMPLES = {"tests/test_tidy.py", "tests/test_house.py", "tests/support/tidiness.py"}
"""Test modules that hold what the rules forbid, to see them bite."""

WHOLE_APP_FOLDERS = {"clients", "contracts", "journeys", "road", "support"}
"""Folders under tests/ that mirror no folder of the package: they try the whole of it."""

SAME_NAME = {
    "problems.py": "the error tree in domain; the door's one mapping of it",
    "pulse.py": "readings as values in domain; how they decay in routing",
    "requests.py": "request numbers in domain; the door's /v1/requests",
    "desk.py": "what a command of the store works with; the desk of practice providers",
    "people.py": "the store's commands about users and tokens; the command line's way to them",
    "engine.py": "what every engine of the store must give; each engine's own",
    "sql.py": "the seam between SQL and engines; each engine's side of it",
    "tokens.py": "secrets and their digests in identity; the door's routes that make and list them",
    "own_keys.py": "opened keys as values in domain; how they change a plan in routing",
    "provider_keys.py": "the store's commands about them; the door's routes",
    "schemas.py": "OpenAPI's at the door; what practice providers answer to a caller's",
}
"""File names that are naturally there twice: the word, and the room that works with it."""

TWIN = "postgres"
"""The second engine of the store has the files of the first, each by its name."""

VALUES = {
    "domain/callers.py", "domain/chat.py", "domain/endpoints.py", "domain/own_keys.py", "domain/plans.py",
    "store/engine.py",
}  # fmt: skip
"""Values and faces without rules of their own: nothing to test that is not tested where they are used."""

TESTED_ELSEWHERE = {
    "providers/connection.py": "providers/test_upstream.py",
    "providers/dialer.py": "providers/test_upstream_connecting.py",
    "providers/exchange.py": "providers/test_upstream.py",
    "providers/openai.py": "providers/test_courier.py",
    "providers/pool.py": "providers/test_upstream.py",
    "providers/tunnel.py": "providers/test_upstream_proxy.py",
    "providers/whole.py": "providers/test_stream.py",
}
"""Source modules whose test module has another name: parts that are only tried together. It only ever shrinks."""


@pytest.mark.parametrize(
    "rule",
    [long_functions, long_modules, many_parameters, hidden_imports, vague_names, built_sql, dangerous_calls],
    ids=lambda rule: rule.__name__,
)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    offences = [text for module in [*OURS, *BENCH] for text in rule(module)]
    offences = [text for text in offences if not (rule is hidden_imports and text.partition(":")[0] in LAZY_IMPORTS)]
    assert not offences, "\n".join(offences)


def test_nothing_is_left_unfinished_or_skipped() -> None:
    texts = [module for module in EVERYTHING if module.path.as_posix() not in BAD_EXAMPLES]
    offences = [text for module in texts for text in unfinished_marks(module)]
    assert not offences, "\n".join(offences)


def test_a_test_module_is_at_most_twice_as_long_as_a_module() -> None:
    long = [f"{module.path}: {module.lines}" for module in EVERYTHING if module.lines > 2 * MODULE_LINES_MAX]
    assert not long


LONG = "def f():\n" + "    x = 1\n" * 51
WIDE = "def f(a, b, c, d, e, g, h): pass\n"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_functions, LONG),
        (long_modules, "x = 1\n" * 401),
        (many_parameters, WIDE),
        (hidden_imports, "def f():\n    import json\n"),
        (vague_names, "class TokenManager: pass\n"),
        (vague_names, "def parse_helper(): pass\n"),
        (unfinished_marks, "x = 1  # TODO: more\n"),
        (unfinished_marks, "@pytest.mark.skip\ndef test(): pass\n"),
        (built_sql, "db.execute(f'select {name}')\n"),
        (built_sql, "db.execute('select ' + name)\n"),
        (built_sql, "db.execute('select %s' % name)\n"),
        (built_sql, "db.execute('select {}'.format(name))\n"),
        (dangerous_calls, "eval(text)\n"),
        (dangerous_calls, "import pickle\n"),
        (dangerous_calls, "from pickle import loads\n"),
        (dangerous_calls, "get(url, verify=False)\n"),
        (dangerous_calls, "context.verify_mode = ssl.CERT_NONE\n"),
    ],
)
def test_each_rule_sees_what_it_forbids(rule: Rule, text: str) -> None:
    assert list(rule(read_module(text)))


@pytest.mark.parametrize("rule", [built_sql, many_parameters, vague_names, long_functions])
def test_the_rules_leave_good_code_alone(rule: Rule) -> None:
    good = (
        "def settle(self, a, b, c, d, e, g):\n"
        '    """Settle."""\n'
        "    db.execute('select 1 where a = ?', (a,))\n"
        "    db.execute('select ' + COLUMNS + ' from calls')\n"
    )
    assert not list(rule(read_module(good)))


def test_file_names_are_unique_across_the_package() -> None:
    paths = [module.path for module in OURS if TWIN not in module.path.parts]
    repeated = set(repeated_file_names(paths)) - SAME_NAME.keys()
    assert not repeated


def beginnings(stem: str) -> list[str]:
    """`http11_bodies` → `http11_bodies`, `http11`: a part and what it is a part of."""
    words = stem.split("_")
    return ["_".join(words[:end]) for end in range(len(words), 0, -1)]


def test_every_test_module_mirrors_a_source_module() -> None:
    """`providers/test_stream.py` and `providers/test_stream_losses.py` both try `providers/stream.py`."""
    tests = [path.relative_to(TESTS) for path in sorted(TESTS.glob("*/**/test_*.py"))]
    assert not [str(test) for test in tests if test.parts[0] not in WHOLE_APP_FOLDERS and not has_source(test)]


def has_source(test: Path) -> bool:
    """A module of its name, or what it tries a part of, or parts of what it tries."""
    house = ROOT if test.parts[0] == "bench" else SOURCES
    folder, name = house / test.parent, test.stem.removeprefix("test_")
    return any((folder / f"{stem}.py").exists() for stem in beginnings(name)) or any(folder.glob(f"{name}_*.py"))


def is_tested(source: Path) -> bool:
    """By test modules of its name, or by that of what it is a part of."""
    folder = TESTS / source.parent
    of_its_whole = any((folder / f"test_{stem}.py").exists() for stem in beginnings(source.stem))
    return of_its_whole or any(folder.glob(f"test_{source.stem}_*.py"))


def test_every_source_module_has_a_test_module() -> None:
    sources = [path.relative_to(SOURCES) for path in SOURCES.rglob("*.py") if not path.name.startswith("__")]
    untested = {str(path) for path in sources if not is_tested(path)}
    excused = VALUES | TESTED_ELSEWHERE.keys()
    without_tests, tested_or_gone = sorted(untested - excused), sorted(excused - untested)
    assert not without_tests
    assert not tested_or_gone, "take them off the list"
    assert all((TESTS / test).exists() for test in TESTED_ELSEWHERE.values())


def test_a_test_is_named_by_a_sentence() -> None:
    short = [
        f"{module.path}:{function.lineno} {function.name}"
        for module in modules(TESTS)
        for function in module.functions()
        if module.path.name.startswith("test_") and function.name.startswith("test_")
        if function.name.count("_") < 3
    ]
    assert not short, "\n".join(short)


def test_functions_are_short_in_the_middle_and_at_the_end(record_property) -> None:
    sizes = sorted(length(function) for module in modules(SOURCES) for function in module.functions())
    median, p90 = statistics.median(sizes), sizes[len(sizes) * 9 // 10]
    record_property("function_lines", f"median {median}, p90 {p90}, longest {sizes[-1]}")
    print(f"function lines: median {median}, 90 % {p90}, longest {sizes[-1]} (aim 6 and 20)")  # noqa: T201
    assert median <= 8
    assert p90 <= 22
