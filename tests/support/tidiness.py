"""House rules that no tool we use can say. Each takes a parsed module and yields what is wrong in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "waypost"
TESTS = ROOT / "tests"

FUNCTION_LINES_MAX = 50
MODULE_LINES_MAX = 400
PARAMETERS_MAX = 6
VAGUE_NAMES = re.compile(
    r"(^|_)(utils?|helpers?|managers?|common|misc|stuff|base_handler|processor|impl|core|shared|lib)(_|$)"
)
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b|pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b")
EXECUTORS = frozenset({"execute", "executemany", "executescript", "prepare"})
DANGEROUS_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
DANGEROUS_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """A source file, read once."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


Rule = Callable[[Module], Iterator[str]]


def read_module(text: str, path: Path = Path("example.py")) -> Module:
    return Module(path, text, ast.parse(text))


def modules(*folders: Path) -> list[Module]:
    files = sorted(file for folder in folders for file in folder.rglob("*.py") if "node_modules" not in file.parts)
    return [read_module(file.read_text(encoding="utf-8"), file.relative_to(ROOT)) for file in files]


def length(function: Function) -> int:
    """Lines of the body without its docstring: what has to be read to know what it does."""
    body = function.body
    if ast.get_docstring(function, clean=False) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def long_functions(module: Module) -> Iterator[str]:
    for function in module.functions():
        if length(function) > FUNCTION_LINES_MAX:
            yield f"{module.at(function)} {function.name} has {length(function)} lines, over {FUNCTION_LINES_MAX}"


def long_modules(module: Module) -> Iterator[str]:
    if module.lines > MODULE_LINES_MAX:
        yield f"{module.path} has {module.lines} lines, over {MODULE_LINES_MAX}"


def many_parameters(module: Module) -> Iterator[str]:
    for function in module.functions():
        spec = function.args
        named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        count = len(named) - (bool(named) and named[0].arg in ("self", "cls"))
        # The one constructor that carries the fields of the error envelope says so where ruff sees it, too.
        if count > PARAMETERS_MAX and "noqa: PLR0913" not in module.text.splitlines()[function.lineno - 1]:
            yield f"{module.at(function)} {function.name} has {count} parameters, over {PARAMETERS_MAX}"


def hidden_imports(module: Module) -> Iterator[str]:
    for function in module.functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{module.at(node)} imports inside {function.name}"


def vague_names(module: Module) -> Iterator[str]:
    if VAGUE_NAMES.search(module.path.stem) or VAGUE_NAMES.search(module.path.parent.name):
        yield f"{module.path} has a name that answers no question"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | Function):
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
            if VAGUE_NAMES.search(words):
                yield f"{module.at(node)} {node.name} answers no question"


def unfinished_marks(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if found := MARKS.search(line):
            yield f"{module.path}:{number} says {found[0]}"


def built_sql(module: Module) -> Iterator[str]:
    """SQL text is constant; what comes from outside goes in as parameters."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTORS:
            for argument in node.args[:1]:
                if _is_built(argument):
                    yield f"{module.at(node)} builds its SQL where it runs it"


def _is_built(text: ast.expr) -> bool:
    match text:
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if start.startswith("PRAGMA "):
            return False  # takes no parameters, and never a caller's words
        case ast.JoinedStr():
            return any(isinstance(part, ast.FormattedValue) for part in text.values)
        case ast.BinOp(left=left, right=right):
            return not (_is_constant(left) and _is_constant(right))
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace")):
            return True
    return False


def _is_constant(text: ast.expr) -> bool:
    """A literal, or a module's constant by its capital name."""
    match text:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.BinOp(left=left, right=right):
            return _is_constant(left) and _is_constant(right)
    return False


def dangerous_calls(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in DANGEROUS_CALLS:
                yield f"{module.at(node)} calls {name}()"
            case ast.Import(names=names) if DANGEROUS_MODULES & {name.name.partition(".")[0] for name in names}:
                yield f"{module.at(node)} imports what runs code from data"
            case ast.ImportFrom(module=str(name)) if name.partition(".")[0] in DANGEROUS_MODULES:
                yield f"{module.at(node)} imports what runs code from data"
            case ast.keyword(arg="verify", value=ast.Constant(value=False)):
                yield f"{module.path}:{node.value.lineno} turns the check of certificates off"
            case ast.Attribute(attr="CERT_NONE" | "_create_unverified_context"):
                yield f"{module.at(node)} turns the check of certificates off"


def repeated_file_names(paths: list[Path]) -> list[str]:
    counted = Counter(path.name for path in paths if not path.name.startswith("__"))
    return sorted(name for name, count in counted.items() if count > 1)
