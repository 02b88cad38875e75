"""Calls that block the event loop inside async functions, found in the source: one of them stops every client."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from packhorse.authoring.check.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

_THREAD = "Call it in a thread: await asyncio.to_thread(…)."
_BLOCKING = {
    "time.sleep": "Use await asyncio.sleep(…).",
    "subprocess.run": "Use await asyncio.create_subprocess_exec(…).",
    "subprocess.call": "Use await asyncio.create_subprocess_exec(…).",
    "subprocess.check_call": "Use await asyncio.create_subprocess_exec(…).",
    "subprocess.check_output": "Use await asyncio.create_subprocess_exec(…).",
    "subprocess.getoutput": "Use await asyncio.create_subprocess_exec(…).",
    "subprocess.Popen": "Use await asyncio.create_subprocess_exec(…).",
    "os.system": "Use await asyncio.create_subprocess_exec(…).",
    "os.popen": "Use await asyncio.create_subprocess_exec(…).",
    "open": f"{_THREAD[:-1]}, or use anyio.open_file.",
    "io.open": _THREAD,
    "input": "A server has nobody to ask.",
    "psycopg.connect": "Use context.database.connection().",
    "psycopg2.connect": "Use context.database.connection().",
    "psycopg.Connection.connect": "Use context.database.connection().",
    "sqlite3.connect": _THREAD,
    "urllib.request.urlopen": "Use httpx.AsyncClient.",
    "urllib.request.urlretrieve": "Use httpx.AsyncClient.",
    "socket.create_connection": "Use asyncio.open_connection.",
    "socket.getaddrinfo": "Use await loop.getaddrinfo(…).",
    "http.client.HTTPConnection": "Use httpx.AsyncClient.",
    "http.client.HTTPSConnection": "Use httpx.AsyncClient.",
    "httpx.Client": "Use httpx.AsyncClient.",
    "shutil.copy": _THREAD,
    "shutil.copy2": _THREAD,
    "shutil.copyfile": _THREAD,
    "shutil.copytree": _THREAD,
    "shutil.move": _THREAD,
    "shutil.rmtree": _THREAD,
    "os.walk": _THREAD,
}
_MODULES = {"requests": "Use httpx.AsyncClient.", "urllib3": "Use httpx.AsyncClient."}
_HTTPX = {f"httpx.{verb}" for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")}
# On anything at all: these are pathlib's, and anyio's equals are awaited.
_METHODS = {"read_text", "write_text", "read_bytes", "write_bytes", "rglob"}

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check(target: Target, _facts: Facts) -> Iterator[Finding]:
    """Yield the blocking calls of each async function, also those through a plain function of the same module."""
    for path in target.sources:
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue  # it cannot be imported either, which the probe says
        for line, call, remedy in _Module(tree).found():
            yield Finding("blocking", "warning", f"{call} blocks the event loop.", remedy, str(path), line)


class _Module:
    """One module: what its names mean, and which of its plain functions block."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._names = _imported(tree)
        self._blocking = self._plain_functions()

    def found(self) -> Iterator[tuple[int, str, str]]:
        """Yield (line, what, remedy)."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.AsyncFunctionDef):
                for call, awaited in _calls(node):
                    yield from self._judged(call, awaited=awaited)

    def _judged(self, call: ast.Call, *, awaited: bool) -> Iterator[tuple[int, str, str]]:
        name = self._dotted(call.func)
        remedy = self._remedy(name)
        if remedy and not awaited:
            yield call.lineno, f"{name}()", remedy
        elif isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS and not awaited:
            yield call.lineno, f".{call.func.attr}()", _THREAD
        elif name in self._blocking and not awaited:
            inner, why = self._blocking[name]
            yield call.lineno, f"{name}(), which calls {inner},", why

    def _plain_functions(self) -> dict[str, tuple[str, str]]:
        """Return the module's plain functions that block, with the call and its remedy, also through one another."""
        plain = {node.name: node for node in self._tree.body if isinstance(node, ast.FunctionDef)}
        found: dict[str, tuple[str, str]] = {}
        self._blocking = found
        for _ in plain:  # a chain is at most as long as there are functions
            known = len(found)
            for name, node in plain.items():
                if name in found:
                    continue
                first = next((one for call, _ in _calls(node) for one in self._judged(call, awaited=False)), None)
                if first is not None and not _is_generator(node):
                    found[name] = (first[1].partition(", which")[0], _THREAD)
            if len(found) == known:
                break
        return found

    def _remedy(self, name: str) -> str:
        if name in _HTTPX:
            return "Use httpx.AsyncClient."
        return _BLOCKING.get(name) or _MODULES.get(name.partition(".")[0], "")

    def _dotted(self, node: ast.expr) -> str:
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._names.get(node.id, node.id), *reversed(parts)])


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for, wherever in the module it is imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                one.asname or one.name.partition(".")[0]: one.name if one.asname else one.name.partition(".")[0]
                for one in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def _calls(function: _Function) -> Iterator[tuple[ast.Call, bool]]:
    """Yield the calls of a function itself and whether each is awaited; not those of functions defined inside it."""
    waiting: list[tuple[ast.AST, bool]] = [(node, False) for node in function.body]
    while waiting:
        node, awaited = waiting.pop(0)
        if isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Call):
            yield node, awaited
        is_await = isinstance(node, ast.Await)
        waiting[:0] = [(child, is_await) for child in ast.iter_child_nodes(node)]


def _is_generator(function: _Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
