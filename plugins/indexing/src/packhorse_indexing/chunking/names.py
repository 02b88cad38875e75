"""How definitions name themselves where a field `name` does not say it.

A namer takes a syntax node and returns its kind and the node that holds its name, or None when the node defines
nothing after all (`int x;` uses a struct, `x = 1` is no function).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tree_sitter import Node

Found: TypeAlias = "tuple[str, Node] | None"
Namer: TypeAlias = Callable[["Node"], Found]

_IDENTIFIERS = frozenset({
    "identifier", "type_identifier", "simple_identifier", "field_identifier", "property_identifier", "constant",
    "name", "word", "variable_name", "function_name", "simple_name", "module_name", "value_name", "package",
    "bareword", "type_constructor", "variable", "varname", "parenthesized_operator", "operator_name",
    "string", "string_literal", "destructor_name", "operator_definition",
})  # fmt: skip
_NAME_FIELDS = ("name", "declarator", "pattern", "property", "left", "selectors")
_FUNCTIONS = frozenset({
    "arrow_function", "function_expression", "function", "generator_function", "function_definition",
    "anonymous_function", "anonymous_subroutine_expression", "closure", "lambda", "lambda_literal", "lambda_expression",
})  # fmt: skip
_WRAPPING = frozenset({"reference_declarator", "parenthesized_declarator"})
_CLASSES = frozenset({"class", "class_expression"})
_QUALIFIED = frozenset({"qualified_identifier", "dot_index_expression", "method_index_expression"})


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def name_node(node: Node) -> Node | None:
    """Return the node that names a definition: its name field, down a chain of declarators, or its identifier."""
    for _ in range(12):
        if node.type in _QUALIFIED:
            return node
        for field in _NAME_FIELDS:
            below = node.child_by_field_name(field)
            if below is not None:
                break
        else:
            return node if node.type in _IDENTIFIERS or not node.named_child_count else _identifier(node)
        node = below
    return node


def _identifier(node: Node) -> Node | None:
    for child in node.named_children:
        if child.type.endswith("declarator") or child.type in {"signature", "type_head", "module_binding"}:
            return name_node(child)
        if child.type in _IDENTIFIERS:
            return child
    if node.type in {"reference_declarator", "parenthesized_declarator", "signature", "type_head", "call_expression"}:
        return name_node(node.named_children[0])
    return node if node.type.endswith(("identifier", "_name", "name")) else None


def with_body(kind: str) -> Namer:
    """Name a node only when it has a body: `struct s { … }` defines, `struct s *p` does not."""

    def namer(node: Node) -> Found:
        if node.child_by_field_name("body") is None:
            return None
        name = node.child_by_field_name("name")
        return None if name is None else (kind, name)

    return namer


def assigned(node: Node) -> Found:
    """`name = function …`, as a declarator, an assignment, a pair or a field; plain values are not definitions."""
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    if value is None and node.named_child_count:
        value = node.named_children[-1]
    for _ in range(3):  # `const x = memo(forwardRef(() => …))`
        if value is None or value.type in _FUNCTIONS or value.type in _CLASSES:
            break
        arguments = value.child_by_field_name("arguments") if value.type == "call_expression" else None
        value = arguments.named_children[0] if arguments is not None and arguments.named_child_count else None
    if value is None:
        return None
    name = _assigned_name(node)
    if name is None:
        return None
    return ("class" if value.type in _CLASSES else "function"), name


def _assigned_name(node: Node) -> Node | None:
    name = next((n for field in ("name", "property", "key", "left") if (n := node.child_by_field_name(field))), None)
    if name is None and node.named_child_count:
        name = node.named_children[0]
    while name is not None:
        if name.type in {"member_expression", "variable_list"}:
            name = name.child_by_field_name("property") or name.child_by_field_name("name")
        elif name.type in {"variable_name", "variable_declaration", "scalar"} and name.named_child_count:
            name = name.named_children[0]
        else:
            return name
    return None


def declarator(node: Node) -> Found:
    """A declarator of JavaScript: a function when it holds one, else a variable."""
    found = assigned(node)
    if found is not None:
        return found
    name = node.child_by_field_name("name")
    return ("variable", name) if name is not None and name.type == "identifier" else None


def variable(node: Node) -> Found:
    """An assignment to one plain name."""
    name = node.child_by_field_name("left") or node.child_by_field_name("name")
    if name is None and node.named_child_count:
        name = node.named_children[0]
    if name is not None and name.type == "pattern":
        name = name.child_by_field_name("bound_identifier") or name
    if name is not None and name.type == "variable_declaration" and name.named_child_count:
        name = name.named_children[0]
    return ("variable", name) if name is not None and name.type in _IDENTIFIERS else None


def constant(node: Node) -> Found:
    """An assignment to a constant of Ruby, which only its capital tells from a variable."""
    name = node.child_by_field_name("left")
    return ("constant", name) if name is not None and name.type == "constant" else None


def c_declaration(node: Node) -> Found:
    """A declaration of C: a prototype, or a variable outside functions."""
    name = node.child_by_field_name("declarator")
    kind = "variable"
    while name is not None and name.type not in {"identifier", "field_identifier", "qualified_identifier"}:
        if name.type == "function_declarator":
            kind = "declaration"
        if name.type == "parenthesized_declarator":
            kind = "variable"  # `int (*callback)(int)` points to a function
        below = name.child_by_field_name("declarator")
        name = below or (name.named_children[0] if name.type in _WRAPPING and name.named_child_count else None)
    return None if name is None else (kind, name)


def go_type(node: Node) -> Found:
    """A type of Go, named for what it is."""
    name, of = node.child_by_field_name("name"), node.child_by_field_name("type")
    if name is None:
        return None
    return {"struct_type": "struct", "interface_type": "interface"}.get(of.type if of else "", "type"), name


def rust_impl(node: Node) -> Found:
    """An `impl`, named for its type without parameters."""
    of = node.child_by_field_name("type")
    while of is not None and of.type == "generic_type":
        of = of.child_by_field_name("type")
    return None if of is None else ("impl", of)


def swift_class(node: Node) -> Found:
    """A class, struct, enum, actor or extension of Swift, which share one node."""
    name, kind = node.child_by_field_name("name"), node.child_by_field_name("declaration_kind")
    return None if name is None else (kind.type if kind else "class", name)


_ELIXIR = {
    "defmodule": "module", "defprotocol": "protocol", "defimpl": "impl", "def": "function", "defp": "function",
    "defmacro": "macro", "defmacrop": "macro", "defguard": "macro", "defdelegate": "function", "test": "test",
    "describe": "test",
}  # fmt: skip


def elixir_call(node: Node) -> Found:
    """A definition of Elixir, which is a call of a macro."""
    target = node.child_by_field_name("target")
    kind = _ELIXIR.get(_text(target)) if target is not None and target.type == "identifier" else None
    arguments = next((child for child in node.named_children if child.type == "arguments"), None)
    if kind is None or arguments is None or not arguments.named_child_count:
        return None
    name = arguments.named_children[0]
    while name.type == "binary_operator" and name.named_child_count:
        name = name.named_children[0]
    if name.type == "call":
        name = name.child_by_field_name("target") or name
    return kind, name


def julia_assignment(node: Node) -> Found:
    """The short form of a Julia function, `f(x) = …`, or a variable."""
    left = node.named_children[0] if node.named_child_count else None
    if left is None:
        return None
    if left.type == "call_expression" and left.named_child_count:
        return "function", left.named_children[0]
    return ("variable", left) if left.type == "identifier" else None


def hcl_block(node: Node) -> Found:
    """A block of Terraform: its kind is the first word, its name the last label."""
    labels = [child for child in node.named_children if child.type in {"identifier", "string_lit"}]
    if not labels or len(labels) == 1:
        return None
    kind = _text(labels[0])
    return kind, labels[-1]


def zig_variable(node: Node) -> Found:
    """A container of Zig, which is a constant that holds a type, or a plain constant."""
    name = next((child for child in node.named_children if child.type == "identifier"), None)
    value = node.named_children[-1] if node.named_child_count else None
    if name is None or value is None:
        return None
    kind = value.type.removesuffix("_declaration")
    return (kind if kind in {"struct", "enum", "union", "opaque"} else "variable"), name


def ocaml_value(node: Node) -> Found:
    """A `let` of OCaml: a function when it has parameters."""
    name = node.child_by_field_name("pattern")
    if name is None or name.type not in {"value_name", "parenthesized_operator"}:
        return None
    is_function = any(child.type == "parameter" for child in node.named_children)
    body = node.child_by_field_name("body")
    return ("function" if is_function or (body is not None and body.type.startswith("fun")) else "variable"), name


def css_rule(node: Node) -> Found:
    """A rule of a style sheet, named by its selectors."""
    selectors = next((child for child in node.named_children if child.type == "selectors"), None)
    return None if selectors is None else ("rule", selectors)
