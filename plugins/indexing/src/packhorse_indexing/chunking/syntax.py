"""The outline of code by its syntax tree, with one walk for all languages.

The walk visits only nodes that span several rows, and their children: what stands on one row cannot be cut. It
parses within a time limit, because some inputs take a grammar minutes.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Language as Grammar
from tree_sitter import Parser

from packhorse_indexing import bounds
from packhorse_indexing.chunking import lines as by_lines
from packhorse_indexing.chunking.model import GLUE, Outline, Span
from packhorse_indexing.chunking.names import name_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node, Tree

    from packhorse_indexing.chunking.languages import Language
    from packhorse_indexing.chunking.names import Namer

TIME_LIMIT = 1.2
"""Seconds of CPU time for parsing and walking one file; of `bounds.CPU_SECONDS`, the rest is for cutting by lines.

Not of the clock: the chunks of a file must not depend on how busy the machine is.
"""
MAX_BYTES = 4_000_000
"""Of UTF-8; a larger text is not parsed."""

MEMORY_LIMIT = 200_000_000
"""Bytes that parsing one file may add to the process; a grammar that was refused memory would end it."""

_CALLS_PER_LOOK = 64
_PAGE = 65_536
_MAX_DEPTH = 200
_VISITS_PER_LOOK = 256
_MAX_SIGNATURE = 300
_MAX_NAME = 200
_TYPES = frozenset({
    "class", "struct", "interface", "trait", "impl", "enum", "record", "object", "protocol", "extension", "actor",
    "mixin", "contract", "library", "union", "instance", "annotation",
})  # fmt: skip
_FUNCTIONS = frozenset({"function", "method", "macro", "test"})
_VARIABLES = frozenset({"variable", "constant"})
_BODIES = ("body", "block", "value", "right")
_BODY_TYPE = re.compile(r"(?:.*_)?(?:body|block|list|do_block|implementation_definition|closure|structure)$")
_QUALIFIED = re.compile(r"^(.*?)(?:::|\.|:)([^.:]+)$", re.DOTALL)
_SPACE = re.compile(r"\s+")
_CLOSER = re.compile(r"\s*(?:[\])}]|(?:end|fi|done|esac|else|elif|except|finally|catch|rescue|ensure)\b)")
_QUOTES = "\"'`"


class SyntaxUnavailableError(Exception):
    """The text has no syntax tree to be cut along; the message says why."""


def outline(text: str, lines: Sequence[str], language: Language) -> Outline:
    """Draw the outline of code from its syntax tree.

    Raises:
        SyntaxUnavailableError: the grammar is not installed, or the text is too large or takes too long.
    """
    deadline = time.thread_time() + TIME_LIMIT
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        raise SyntaxUnavailableError(f"larger than {MAX_BYTES:,} bytes")
    rules = _rules(language)
    tree = _parse(rules.grammar, data, deadline)
    walk = _Walk(data, lines, rules)
    walk.run(tree.root_node, deadline)
    costs = walk.costs()
    spans = walk.spans
    if tree.root_node.has_error:
        spans = _with_patterns(spans, lines, language)
    return Outline(costs, spans)


def _parse(grammar: Grammar, data: bytes, deadline: float) -> Tree:
    # Only a parse that reads through a function asks for progress, and only so can it be stopped.
    def read(offset: int, _point: object) -> bytes:
        return data[offset : offset + _PAGE]

    before = bounds.address_space()
    calls = 0

    def is_too_much(_offset: int, _has_error: bool) -> bool:
        nonlocal calls
        calls += 1
        if calls % _CALLS_PER_LOOK == 0 and bounds.address_space() - before > MEMORY_LIMIT:
            return True
        return time.thread_time() > deadline

    try:
        return Parser(grammar).parse(read, progress_callback=is_too_much)
    except ValueError as error:
        is_late = time.thread_time() > deadline
        took = f"longer than {TIME_LIMIT:g} s" if is_late else f"more than {MEMORY_LIMIT // 1_000_000} MB"
        raise SyntaxUnavailableError(f"parsing took {took}") from error


class _Rules:
    """A language's table by the numbers of its grammar's node types, which cost less than their names."""

    def __init__(self, language: Language, grammar: Grammar) -> None:
        self.grammar = grammar
        self.definitions: dict[int, str | Namer] = {}
        sets: dict[str, set[int]] = {name: set() for name in ("wrappers", "descend", "leading", "comments", "joined")}
        for number in range(grammar.node_kind_count):
            if not grammar.node_kind_is_named(number):
                continue
            kind = grammar.node_kind_for_id(number) or ""
            if kind in language.definitions:
                self.definitions[number] = language.definitions[kind]
            for name, numbers in sets.items():
                if kind in getattr(language, name):
                    numbers.add(number)
        self.wrappers, self.descend = sets["wrappers"], sets["descend"]
        self.leading, self.joined = sets["leading"] | sets["comments"], sets["joined"]


@cache
def _rules(language: Language) -> _Rules:
    if language.grammar is None:
        raise SyntaxUnavailableError("the language has no grammar")
    module, function = language.grammar
    try:
        pointer = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise SyntaxUnavailableError(f"the grammar {module} is not installed") from error
    try:
        return _Rules(language, Grammar(_capsule(pointer) if isinstance(pointer, int) else pointer))
    except ValueError as error:
        raise SyntaxUnavailableError(f"the grammar {module} does not fit this tree-sitter: {error}") from error


def _capsule(pointer: int) -> object:
    """Wrap the bare pointer that older grammars return, as newer ones do themselves."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(pointer, b"tree_sitter.Language", None)


class _Visit(NamedTuple):
    """A node to visit: its depth, the index of the definition around it, and the row on which its wrappers began."""

    node: Node
    depth: int
    owner: int
    head: int | None


class _Walk:
    def __init__(self, data: bytes, lines: Sequence[str], rules: _Rules) -> None:
        self._data = data
        self._lines = lines
        self._rules = rules
        self._steps = [0] * (len(lines) + 2)  # how the depth changes at each row
        self._glued: set[int] = set()
        self.spans: list[Span] = []

    def run(self, root: Node, deadline: float) -> None:
        """Visit the tree from the top, noting depths, definitions and what belongs together."""
        stack = [_Visit(root, 0, -1, None)]
        visits = 0
        while stack:
            if visits % _VISITS_PER_LOOK == 0 and time.thread_time() > deadline:
                raise SyntaxUnavailableError(f"walking its tree took longer than {TIME_LIMIT:g} s")
            stack += reversed(self._below(stack.pop()))
            visits += 1

    def _below(self, visit: _Visit) -> list[_Visit]:
        """Look at the children of a node; return those whose own are worth a visit."""
        rules, steps, depth, owner = self._rules, self._steps, visit.depth + 1, visit.owner
        inner = owner >= 0 and self.spans[owner].kind in _FUNCTIONS
        latest = -1
        below: list[_Visit] = []
        for child in visit.node.children:
            kind = child.kind_id
            first, (last, column) = child.start_point[0], child.end_point
            if column == 0 and last > first:
                last -= 1
            within, head = self._classify(child, visit, first, last, latest)
            if within != owner:
                latest = within
            if kind in rules.leading and self._begins_row(child, first):
                self._glued.add(last + 1)
            if last > first:
                steps[first + 1] += 1
                steps[last + 1] -= 1
                if depth < _MAX_DEPTH:
                    below.append(_Visit(child, depth, within, head))
            elif (kind in rules.descend and not inner) or (within != owner and child.child_count > 1):
                below.append(_Visit(child, depth, within, head))
        return below

    def _classify(self, child: Node, visit: _Visit, first: int, last: int, latest: int) -> tuple[int, int | None]:
        """Record what a child defines; return the definition around its insides and where its wrappers began.

        `latest` is the definition before it among its siblings, or -1.
        """
        rules, owner = self._rules, visit.owner
        head = first if visit.head is None else visit.head
        if child.kind_id in rules.wrappers:
            return owner, head
        if child.kind_id in rules.joined and latest >= 0:
            self._extend(latest, last)
            self._glued.add(first)
            return latest, None
        if child.kind_id in rules.definitions:
            within = self._define(child, owner, head, last)
            return within, visit.head if within == owner else None
        return owner, None

    def costs(self) -> list[int]:
        """Return the cost of a cut before each row."""
        out: list[int] = []
        depth = 0
        for row, line in enumerate(self._lines):
            depth += self._steps[row]
            belongs_above = not line.strip() or _CLOSER.match(line) is not None
            out.append(depth + GLUE * (belongs_above or row in self._glued))
        return out

    def _begins_row(self, node: Node, row: int) -> bool:
        return not self._lines[row][: node.start_point[1]].strip()

    def _extend(self, index: int, last: int) -> None:
        self.spans[index].last = max(self.spans[index].last, last)

    def _define(self, node: Node, owner: int, first: int, last: int) -> int:
        """Record the definition that a node makes, if it makes one; return the owner of what is inside."""
        rule = self._rules.definitions[node.kind_id]
        if isinstance(rule, str):
            name, kind = name_node(node), rule
        else:
            found = rule(node)
            if found is None:
                return owner
            kind, name = found
        if name is None:
            return owner
        text = self._text(name.start_byte, name.end_byte).strip(_QUOTES)
        qualified = _QUALIFIED.match(text) if kind in _FUNCTIONS else None
        around = self.spans[owner] if owner >= 0 else None
        if not text or (kind in _VARIABLES and not _is_worth_noting(text, around)):
            return owner
        if kind == "function" and (around is not None and around.kind in _TYPES):
            kind = "method"
        if kind == "variable" and text.isupper():
            kind = "constant"
        if self._continues(text, kind, owner, first):
            self._extend(len(self.spans) - 1, last)
            return len(self.spans) - 1
        self.spans.append(
            Span(
                (qualified[2] if qualified else text)[:_MAX_NAME], kind, name.start_point[0], first, last, owner,
                self._signature(node), qualified[1] if qualified else None,
            )
        )  # fmt: skip
        return len(self.spans) - 1

    def _continues(self, name: str, kind: str, owner: int, first: int) -> bool:
        """Tell whether a definition is another equation of the one before, as in Haskell."""
        if not self.spans or kind != "function":
            return False
        before = self.spans[-1]
        return (before.name, before.kind, before.parent) == (name, kind, owner) and before.last + 1 == first

    def _signature(self, node: Node) -> str:
        """Return the head of a definition, up to its body, on one line."""
        start, end = node.start_byte, node.end_byte
        body = next((found for field in _BODIES if (found := node.child_by_field_name(field))), None)
        if body is not None and body.child_by_field_name("body") is not None:
            body = body.child_by_field_name("body")  # `const name = (a) => { … }`
        if body is None:
            body = next((child for child in node.named_children if _BODY_TYPE.match(child.type)), None)
        if body is not None and body.start_byte > start:
            end = body.start_byte
        else:
            newline = self._data.find(b"\n", start, end)
            end = newline if newline >= 0 else end
        comments = (child.start_byte for child in node.children if child.kind_id in self._rules.leading)
        end = min(end, start + 4 * _MAX_SIGNATURE, *(at for at in comments if at > start))
        text = self._text(start, end)
        return _SPACE.sub(" ", text).strip().rstrip("{:=").rstrip()[:_MAX_SIGNATURE]

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode("utf-8", "replace")


def _is_worth_noting(name: str, around: Span | None) -> bool:
    """Variables count at the top; constants, which their capitals tell, in types and namespaces too."""
    return around is None or (
        around.kind not in _FUNCTIONS and (name.isupper() or around.kind in {"module", "namespace"})
    )


def _with_patterns(spans: list[Span], lines: Sequence[str], language: Language) -> list[Span]:
    """Add the definitions that a broken tree has lost, as an unclosed string loses all that follow it."""
    known = {(span.name, row) for span in spans for row in (span.row, span.first)}
    found = by_lines.outline(lines, language.pattern).spans
    lost = [span for span in found if (span.name.rpartition(".")[2].rpartition(":")[2], span.row) not in known]
    for span in lost:
        span.parent = -1
    return spans + lost
