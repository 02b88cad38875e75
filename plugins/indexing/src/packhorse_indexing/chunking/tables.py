"""The languages with a grammar: node types and what they define.

Every grammar is a wheel of its own, listed in pyproject.toml, and loads without a download.
"""

from __future__ import annotations

from packhorse_indexing.chunking import names
from packhorse_indexing.chunking.languages import Language

_JS_DEFINITIONS: dict[str, str | names.Namer] = {
    "function_declaration": "function",
    "generator_function_declaration": "function",
    "class_declaration": "class",
    "method_definition": "method",
    "variable_declarator": names.declarator,
    "assignment_expression": names.assigned,
    "pair": names.assigned,
    "field_definition": names.assigned,
}
_TS_DEFINITIONS = _JS_DEFINITIONS | {
    "abstract_class_declaration": "class",
    "interface_declaration": "interface",
    "type_alias_declaration": "type",
    "enum_declaration": "enum",
    "internal_module": "namespace",
    "module": "module",
    "function_signature": "function",
    "abstract_method_signature": "method",
    "public_field_definition": names.assigned,
}
_JS_WRAPPERS = frozenset({
    "export_statement", "lexical_declaration", "variable_declaration", "expression_statement", "ambient_declaration",
})  # fmt: skip
_C_DEFINITIONS: dict[str, str | names.Namer] = {
    "function_definition": "function",
    "struct_specifier": names.with_body("struct"),
    "union_specifier": names.with_body("union"),
    "enum_specifier": names.with_body("enum"),
    "type_definition": "type",
    "declaration": names.c_declaration,
    "preproc_def": "macro",
    "preproc_function_def": "macro",
}
_CSS = {"rule_set": names.css_rule}

LANGUAGES = (
    Language(
        "python", ("py", "pyi", "pyw", "pyx", "pxd"), ("sconstruct", "sconscript", "wscript"), ("python", "pypy", "uv"),
        ("tree_sitter_python", "language"),
        {"function_definition": "function", "class_definition": "class", "assignment": names.variable,
         "type_alias_statement": "type"},
        wrappers=frozenset({"decorated_definition", "expression_statement"}),
        descend=frozenset({"expression_statement"}),
    ),
    Language(
        "javascript", ("js", "mjs", "cjs", "jsx"), ("jakefile",), ("node", "deno", "bun"),
        ("tree_sitter_javascript", "language"), _JS_DEFINITIONS, wrappers=_JS_WRAPPERS, descend=_JS_WRAPPERS,
        leading=frozenset({"decorator"}),
    ),
    Language(
        "typescript", ("ts", "mts", "cts"), (), ("ts-node", "tsx"), ("tree_sitter_typescript", "language_typescript"),
        _TS_DEFINITIONS, wrappers=_JS_WRAPPERS, descend=_JS_WRAPPERS, leading=frozenset({"decorator"}),
    ),
    Language(
        "tsx", ("tsx",), (), (), ("tree_sitter_typescript", "language_tsx"),
        _TS_DEFINITIONS, wrappers=_JS_WRAPPERS, descend=_JS_WRAPPERS, leading=frozenset({"decorator"}),
    ),
    Language(
        "go", ("go",), (), (), ("tree_sitter_go", "language"),
        {"function_declaration": "function", "method_declaration": "method", "type_spec": names.go_type,
         "type_alias": "type", "const_spec": "constant", "var_spec": "variable"},
        wrappers=frozenset({"type_declaration", "const_declaration", "var_declaration"}),
        descend=frozenset({"type_declaration", "const_declaration", "var_declaration"}),
    ),
    Language(
        "rust", ("rs",), (), ("rust-script",), ("tree_sitter_rust", "language"),
        {"function_item": "function", "function_signature_item": "function", "struct_item": "struct",
         "enum_item": "enum", "union_item": "union", "trait_item": "trait", "impl_item": names.rust_impl,
         "mod_item": "module", "type_item": "type", "const_item": "constant", "static_item": "constant",
         "macro_definition": "macro"},
        leading=frozenset({"attribute_item", "inner_attribute_item"}),
    ),
    Language(
        "java", ("java",), (), (), ("tree_sitter_java", "language"),
        {"class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum",
         "record_declaration": "record", "annotation_type_declaration": "annotation", "method_declaration": "method",
         "constructor_declaration": "method", "compact_constructor_declaration": "method",
         "field_declaration": "constant"},
    ),
    Language(
        "c", ("c", "h"), (), (), ("tree_sitter_c", "language"), _C_DEFINITIONS,
        descend=frozenset({"type_definition"}),
    ),
    Language(
        "cpp", ("cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "tpp", "cu", "cuh", "ino"), (), (),
        ("tree_sitter_cpp", "language"),
        _C_DEFINITIONS | {"class_specifier": names.with_body("class"), "namespace_definition": "namespace",
                          "alias_declaration": "type", "concept_definition": "concept"},
        wrappers=frozenset({"template_declaration"}), descend=frozenset({"template_declaration", "type_definition"}),
    ),
    Language(
        "csharp", ("cs", "csx"), (), (), ("tree_sitter_c_sharp", "language"),
        {"class_declaration": "class", "struct_declaration": "struct", "interface_declaration": "interface",
         "enum_declaration": "enum", "record_declaration": "record", "delegate_declaration": "type",
         "namespace_declaration": "namespace", "method_declaration": "method", "constructor_declaration": "method",
         "destructor_declaration": "method", "property_declaration": "property", "local_function_statement": "function",
         "field_declaration": "constant"},
    ),
    Language(
        "ruby", ("rb", "rake", "gemspec", "ru", "podspec"),
        ("gemfile", "rakefile", "podfile", "vagrantfile", "brewfile", "fastfile", "guardfile"), ("ruby", "jruby"),
        ("tree_sitter_ruby", "language"),
        {"method": "function", "singleton_method": "function", "class": "class", "module": "module",
         "assignment": names.constant},
    ),
    Language(
        "php", ("php", "phtml", "php3", "php4", "php5", "phps"), (), ("php",), ("tree_sitter_php", "language_php"),
        {"function_definition": "function", "method_declaration": "method", "class_declaration": "class",
         "interface_declaration": "interface", "trait_declaration": "trait", "enum_declaration": "enum",
         "const_element": "constant", "assignment_expression": names.assigned},
        wrappers=frozenset({"const_declaration", "expression_statement"}),
        descend=frozenset({"const_declaration", "expression_statement"}),
    ),
    Language(
        "bash", ("sh", "bash", "zsh", "ksh", "bats", "ebuild"),
        (".bashrc", ".bash_profile", ".zshrc", ".profile", "pkgbuild"),
        ("sh", "bash", "zsh", "ksh", "dash", "ash", "bats"), ("tree_sitter_bash", "language"),
        {"function_definition": "function", "variable_assignment": names.variable},
    ),
    Language(
        "scala", ("scala", "sc", "sbt"), (), ("scala",), ("tree_sitter_scala", "language"),
        {"class_definition": "class", "object_definition": "object", "trait_definition": "trait",
         "enum_definition": "enum", "function_definition": "function", "function_declaration": "function",
         "type_definition": "type", "given_definition": "given", "val_definition": names.variable},
    ),
    Language(
        "kotlin", ("kt", "kts"), (), ("kotlin",), ("tree_sitter_kotlin", "language"),
        {"class_declaration": "class", "object_declaration": "object", "companion_object": "object",
         "function_declaration": "function", "type_alias": "type", "property_declaration": names.variable},
    ),
    Language(
        "swift", ("swift",), (), ("swift",), ("tree_sitter_swift", "language"),
        {"class_declaration": names.swift_class, "protocol_declaration": "protocol",
         "function_declaration": "function", "protocol_function_declaration": "method",
         "typealias_declaration": "type", "property_declaration": names.variable},
    ),
    Language(
        "objc", ("m", "mm"), (), (), ("tree_sitter_objc", "language"),
        _C_DEFINITIONS | {"class_interface": "interface", "class_implementation": "class",
                          "category_interface": "interface", "protocol_declaration": "protocol",
                          "method_definition": "method", "method_declaration": "method"},
    ),
    Language(
        "lua", ("lua", "rockspec"), (), ("lua", "luajit"), ("tree_sitter_lua", "language"),
        {"function_declaration": "function", "assignment_statement": names.assigned, "field": names.assigned},
        wrappers=frozenset({"variable_declaration"}), descend=frozenset({"variable_declaration"}),
    ),
    Language(
        "elixir", ("ex", "exs"), ("mix.lock",), ("elixir",), ("tree_sitter_elixir", "language"),
        {"call": names.elixir_call}, leading=frozenset({"unary_operator"}),
    ),
    Language(
        "haskell", ("hs",), (), ("runhaskell", "stack"), ("tree_sitter_haskell", "language"),
        {"function": "function", "bind": "function", "data_type": "type", "newtype": "type", "type_synomym": "type",
         "class": "class", "instance": "instance"},
        comments=frozenset({"comment", "haddock", "pragma"}), leading=frozenset({"signature"}),
    ),
    Language(
        "ocaml", ("ml",), (), ("ocaml",), ("tree_sitter_ocaml", "language_ocaml"),
        {"let_binding": names.ocaml_value, "module_definition": "module", "type_binding": "type",
         "class_definition": "class", "module_type_definition": "interface", "exception_definition": "type"},
        wrappers=frozenset({"value_definition", "type_definition"}),
        descend=frozenset({"value_definition", "type_definition"}),
    ),
    Language(
        "julia", ("jl",), (), ("julia",), ("tree_sitter_julia", "language"),
        {"function_definition": "function", "assignment": names.julia_assignment, "struct_definition": "struct",
         "abstract_definition": "type", "module_definition": "module", "macro_definition": "macro"},
        wrappers=frozenset({"const_statement"}), descend=frozenset({"const_statement"}),
    ),
    Language(
        "zig", ("zig", "zon"), (), (), ("tree_sitter_zig", "language"),
        {"function_declaration": "function", "variable_declaration": names.zig_variable, "test_declaration": "test"},
    ),
    Language(
        "dart", ("dart",), (), ("dart",), ("tree_sitter_dart", "language"),
        {"class_definition": "class", "class_declaration": "class", "mixin_declaration": "mixin",
         "enum_declaration": "enum", "extension_declaration": "extension", "type_alias": "type",
         "function_signature": "function", "getter_signature": "method", "setter_signature": "method",
         "constructor_signature": "method", "factory_constructor_signature": "method"},
        wrappers=frozenset({"method_signature"}), descend=frozenset({"method_signature"}),
        joined=frozenset({"function_body"}), comments=frozenset({"comment", "documentation_comment"}),
        leading=frozenset({"annotation"}),
    ),
    Language(
        "powershell", ("ps1", "psm1", "psd1"), (), ("pwsh",), ("tree_sitter_powershell", "language"),
        {"function_statement": "function", "class_statement": "class", "class_method_definition": "method",
         "enum_statement": "enum"},
    ),
    Language(
        "groovy", ("groovy", "gradle", "gvy"), ("jenkinsfile",), ("groovy",), ("tree_sitter_groovy", "language"),
        {"class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum",
         "method_declaration": "method", "function_definition": "function", "constructor_declaration": "method"},
    ),
    Language(
        "nix", ("nix",), (), (), ("tree_sitter_nix", "language"), {"binding": names.assigned},
    ),
    Language(
        "hcl", ("tf", "tfvars", "hcl"), (), (), ("tree_sitter_hcl", "language"), {"block": names.hcl_block},
    ),
    Language(
        "solidity", ("sol",), (), (), ("tree_sitter_solidity", "language"),
        {"contract_declaration": "contract", "interface_declaration": "interface", "library_declaration": "library",
         "function_definition": "function", "modifier_definition": "function", "event_definition": "event",
         "struct_declaration": "struct", "enum_declaration": "enum", "error_declaration": "error"},
    ),
    Language("css", ("css",), (), (), ("tree_sitter_css", "language"), _CSS),
    Language(
        "scss", ("scss",), (), (), ("tree_sitter_scss", "language"),
        _CSS | {"mixin_statement": "mixin", "function_statement": "function"},
    ),
)  # fmt: skip
