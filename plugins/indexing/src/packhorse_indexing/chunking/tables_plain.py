"""The languages that are cut by lines or headings: prose, data, configuration, and code without a grammar."""

from __future__ import annotations

import re

from packhorse_indexing.chunking.languages import TEXT, Language

_TABLE = re.compile(r"\[{1,2}\s*(?P<name>[^\]\n]+?)\s*\]{1,2}\s*(?:[#;]|$)")
_SQL = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+|OR\s+ALTER\s+)?(?:TEMP(?:ORARY)?\s+|UNLOGGED\s+|UNIQUE\s+|MATERIALIZED\s+|GLOBAL\s+"
    r"|VIRTUAL\s+|CONSTRAINT\s+)*(?P<kind>TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|INDEX|TYPE|SCHEMA|SEQUENCE|DOMAIN|POLICY"
    r"|AGGREGATE)\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?:[`\"\[]?\w+[`\"\]]?\.)*[`\"\[]?(?P<name>\w+)",
    re.IGNORECASE,
)
_MAKE = re.compile(r"(?P<name>[\w./%$()-]+(?:[ \t]+[\w./%$()-]+)*)[ \t]*::?(?![=:])")
_CMAKE = re.compile(r"\s*(?P<kind>function|macro)\s*\(\s*(?P<name>\w+)", re.IGNORECASE)
_DOCKER = re.compile(r"FROM\s+\S+\s+AS\s+(?P<name>[\w.-]+)", re.IGNORECASE)
_GRAPHQL = re.compile(
    r"(?:extend\s+)?(?P<kind>type|interface|enum|union|input|scalar|fragment|query|mutation|subscription|directive)"
    r"\s+@?(?P<name>\w+)"
)
_PROTO = re.compile(r"\s*(?P<kind>message|service|enum|rpc)\s+(?P<name>\w+)")
_LISP = re.compile(
    r"\s*\((?P<kind>defn-?|defmacro|defmulti|defmethod|defprotocol|defrecord|deftype|ns|def|defun|defvar|defcustom"
    r"|define|define-syntax)\s+\(?\^?(?P<name>[^\s()\[\]]+)"
)
_ERLANG = re.compile(r"(?P<name>[a-z]\w*)\((?!.*\)\.\s*$).*->")
_R = re.compile(r"\s*(?P<name>[\w.]+)\s*(?:<-|=)\s*(?:function\b|\\\()")
_FORTRAN = re.compile(
    r"\s*(?:(?:pure|elemental|recursive|impure|integer|real|logical|type\(\w+\))\s+)*"
    r"(?P<kind>function|subroutine|module|program|type|interface)(?:\s*,[^:\n]*::|\s*::)?\s+(?P<name>\w+)",
    re.IGNORECASE,
)
_PERL = re.compile(r"\s*(?P<kind>sub|package|method|class|role)\s+(?P<name>\w+(?:::\w+)*)")
_NOTEBOOK = re.compile(r'\s*"(?:async\s+)?(?P<kind>def|class)\s+(?P<name>\w+)')

LANGUAGES = (
    Language(TEXT, ("txt", "text", "log"), ("license", "copying", "authors", "notice", "changes"), prose=True),
    Language(
        "markdown", ("md", "markdown", "mdx", "mdown", "mkd", "rmd", "qmd", "mdc"), (".cursorrules",), headings=True,
        prose=True,
    ),
    Language("restructuredtext", ("rst", "rest"), headings=True, prose=True),
    Language("asciidoc", ("adoc", "asciidoc", "asc"), headings=True, prose=True),
    Language("org", ("org",), prose=True, pattern=re.compile(r"\*+\s+(?P<name>\S.*)")),
    Language("tex", ("tex", "sty", "cls", "ltx"), prose=True,
             pattern=re.compile(r"\s*\\(?P<kind>(?:sub)*section|chapter|part)\*?\{(?P<name>[^}\n]*)")),
    Language("jupyter", ("ipynb",), pattern=_NOTEBOOK),
    Language("json", ("json", "jsonc", "json5", "geojson", "webmanifest", "code-workspace"),
             (".babelrc", ".eslintrc", ".prettierrc", "composer.lock", "pipfile.lock"), prose=True,
             pattern=re.compile(r"(?!)(?P<name>)")),
    Language("yaml", ("yaml", "yml"), (".clang-format", ".clang-tidy"), prose=True,
             pattern=re.compile(r"(?P<name>[A-Za-z_][\w.-]*):\s*(?:#.*)?$")),
    Language("toml", ("toml",), ("pipfile", "cargo.lock", "poetry.lock", "uv.lock"), prose=True, pattern=_TABLE),
    Language("ini", ("ini", "cfg", "conf", "properties", "editorconfig", "service", "desktop"),
             (".gitconfig", ".npmrc", ".flake8", ".coveragerc"), prose=True, pattern=_TABLE),
    Language("xml", ("xml", "xsd", "xsl", "xslt", "svg", "plist", "csproj", "fsproj", "vbproj", "props", "targets",
                     "xaml", "resx", "pom", "wsdl", "storyboard", "xib"), prose=True),
    Language("html", ("html", "htm", "xhtml", "jinja", "jinja2", "j2", "hbs", "mustache", "ejs", "erb", "twig"),
             prose=True),
    Language("vue", ("vue",)),
    Language("svelte", ("svelte",)),
    Language("astro", ("astro",)),
    Language("sql", ("sql", "psql", "ddl", "dml", "pgsql", "plsql", "tsql"), pattern=_SQL),
    Language("makefile", ("mk", "mak"), ("makefile", "gnumakefile"), ("make",), pattern=_MAKE),
    Language("cmake", ("cmake",), ("cmakelists.txt",), pattern=_CMAKE),
    Language("dockerfile", ("dockerfile",), ("dockerfile", "containerfile"), pattern=_DOCKER),
    Language("graphql", ("graphql", "gql", "graphqls"), pattern=_GRAPHQL),
    Language("protobuf", ("proto",), pattern=_PROTO),
    Language("thrift", ("thrift",)),
    Language("clojure", ("clj", "cljs", "cljc", "edn"), (), ("bb",), pattern=_LISP),
    Language("lisp", ("lisp", "cl", "el", "scm", "rkt", "ss"), (".emacs",), pattern=_LISP),
    Language("erlang", ("erl", "hrl"), ("rebar.config",), ("escript",), pattern=_ERLANG),
    Language("r", ("r",), (".rprofile",), ("rscript", "Rscript"), pattern=_R),
    # Its grammar needs a second for 100 kB, fifty times as long as the others.
    Language("perl", ("pl", "pm", "t", "psgi"), ("cpanfile",), ("perl",), pattern=_PERL),
    Language("fortran", ("f", "for", "f77", "f90", "f95", "f03", "f08"), pattern=_FORTRAN),
    Language("fsharp", ("fs", "fsi", "fsx")),
    Language("visualbasic", ("vb", "bas", "vbs")),
    Language("pascal", ("pas", "dpr")),
    Language("crystal", ("cr",)),
    Language("nim", ("nim", "nims")),
    Language("d", ("d", "di")),
    Language("v", ("v", "sv", "svh", "vhd", "vhdl")),
    Language("tcl", ("tcl",), (), ("tclsh", "wish")),
    Language("awk", ("awk",), (), ("awk", "gawk")),
    Language("vim", ("vim",), (".vimrc", "vimrc")),
    Language("assembly", ("s", "asm")),
    Language("fish", ("fish",), (), ("fish",)),
    Language("batch", ("bat", "cmd")),
    Language("less", ("less",), prose=True),
    Language("sass", ("sass",), prose=True),
    Language("csv", ("csv", "tsv"), prose=True),
    Language("diff", ("diff", "patch"), prose=True),
    Language("ocaml-interface", ("mli",)),
    Language("starlark", ("bzl", "star", "bazel"), ("build", "workspace", "tiltfile")),
    Language("gleam", ("gleam",)),
    Language("purescript", ("purs",)),
    Language("elm", ("elm",)),
    Language("wgsl", ("wgsl", "glsl", "vert", "frag", "hlsl", "metal")),
)  # fmt: skip
