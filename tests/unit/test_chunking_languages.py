"""What each language's table finds in a small but typical file, and what it leaves out."""

from __future__ import annotations

import textwrap

import pytest

from packhorse_indexing.chunking import chunk

pytestmark = pytest.mark.unit

SAMPLES: dict[str, tuple[str, set[tuple[str, str, str | None]]]] = {
    "python": (
        """
        LIMIT: int = 3

        @cache
        def load(path):
            def inner():
                pass
            value = 1

        class Store(Base):
            TABLE = "t"

            async def get(self): ...
        """,
        {("LIMIT", "constant", None), ("load", "function", None), ("inner", "function", "load"),
         ("Store", "class", None), ("TABLE", "constant", "Store"), ("get", "method", "Store")},
    ),
    "javascript": (
        """
        export const API = "x";
        const load = async (path) => {
          return path;
        };
        module.exports.save = function () {};
        class Store {
          handle = () => { return 1; };
          get() {}
        }
        const table = {
          open: function () {},
          close() {},
        };
        const Memo = memo(() => { return 1; });
        """,
        {("API", "constant", None), ("load", "function", None), ("save", "function", None), ("Store", "class", None),
         ("handle", "method", "Store"), ("get", "method", "Store"), ("table", "variable", None),
         ("open", "function", "table"), ("close", "method", "table"), ("Memo", "function", None)},
    ),
    "typescript": (
        """
        @Injectable()
        export class Store {
          @Input() name: string;
          get(): void {}
        }
        export interface Shape { area(): number }
        type Id = string;
        export enum Color { Red }
        namespace Inner {
          export function load(): void {}
        }
        """,
        {("Store", "class", None), ("get", "method", "Store"), ("Shape", "interface", None), ("Id", "type", None),
         ("Color", "enum", None), ("Inner", "namespace", None), ("load", "function", "Inner")},
    ),
    "tsx": (
        """
        export const Button = (props: Props) => {
          return <b>{props.text}</b>;
        };
        """,
        {("Button", "function", None)},
    ),
    "go": (
        """
        package p

        const Limit = 3

        type Store struct{ path string }
        type (
            Shape interface{ Area() int }
            Id int
        )

        func (s *Store) Get() {}
        func Load() {}
        """,
        {("Limit", "constant", None), ("Store", "struct", None), ("Shape", "interface", None), ("Id", "type", None),
         ("Get", "method", None), ("Load", "function", None)},
    ),
    "rust": (
        """
        #[derive(Debug)]
        pub struct Store<T> { path: T }
        impl<T> Shape for Store<T> {
            fn area(&self) -> i32 { 1 }
        }
        mod inner {
            pub const LIMIT: i32 = 3;
            pub trait Shape { fn area(&self) -> i32; }
        }
        macro_rules! load { () => {} }
        """,
        {("Store", "struct", None), ("Store", "impl", None), ("area", "method", "Store"), ("inner", "module", None),
         ("LIMIT", "constant", "inner"), ("Shape", "trait", "inner"), ("load", "macro", None)},
    ),
    "java": (
        """
        package p;

        @Entity
        public class Store<T> {
            static final int LIMIT = 3;
            int count;

            @Override
            public Store() {}

            void get() {}

            interface Shape {
                int area();
            }
        }
        enum Color { RED }
        record Point(int x) {}
        """,
        {("Store", "class", None), ("LIMIT", "constant", "Store"), ("Store", "method", "Store"),
         ("get", "method", "Store"), ("Shape", "interface", "Store"), ("area", "method", "Store.Shape"),
         ("Color", "enum", None), ("Point", "record", None)},
    ),
    "c": (
        """
        #define LIMIT 3
        #define MAX(a, b) ((a) > (b) ? (a) : (b))
        struct store { int x; };
        typedef struct { int y; } Shape;
        enum color { RED };
        int count = 1;
        int prototype(int a);
        static int *load(struct store *s) {
            int local = 1;
            return 0;
        }
        """,
        {("LIMIT", "macro", None), ("MAX", "macro", None), ("store", "struct", None), ("Shape", "type", None),
         ("color", "enum", None), ("count", "variable", None), ("prototype", "declaration", None),
         ("load", "function", None)},
    ),
    "cpp": (
        """
        namespace app {
        template <class T>
        class Store : public Base {
         public:
          int get() const { return 1; }
        };
        using Id = int;
        }  // namespace app
        void app::Store::open() {
        }
        int& reference() {
        }
        """,
        {("app", "namespace", None), ("Store", "class", "app"), ("get", "method", "app.Store"), ("Id", "type", "app"),
         ("open", "function", "app::Store"), ("reference", "function", None)},
    ),
    "csharp": (
        """
        namespace App
        {
            [Serializable]
            public class Store
            {
                public int Count { get; set; }
                public Store() {}
                void Get() {}
            }
            interface IShape {}
        }
        record Point(int X);
        """,
        {("App", "namespace", None), ("Store", "class", "App"), ("Count", "property", "App.Store"),
         ("Store", "method", "App.Store"), ("Get", "method", "App.Store"), ("IShape", "interface", "App"),
         ("Point", "record", None)},
    ),
    "ruby": (
        """
        module App
          class Store < Base
            LIMIT = 3
            def self.load
            end
            def get; end
          end
        end
        """,
        {("App", "module", None), ("Store", "class", "App"), ("LIMIT", "constant", "App.Store"),
         ("load", "method", "App.Store"), ("get", "method", "App.Store")},
    ),
    "php": (
        """
        <?php
        #[Attribute]
        class Store {
            const LIMIT = 3;
            public function get() {}
        }
        function load() {}
        $handler = function () {
            return 1;
        };
        """,
        {("Store", "class", None), ("LIMIT", "constant", "Store"), ("get", "method", "Store"),
         ("load", "function", None), ("handler", "function", None)},
    ),
    "bash": (
        "LIMIT=3\nload() {\n  local x=1\n}\nfunction save {\n  :\n}\n",
        {("LIMIT", "constant", None), ("load", "function", None), ("save", "function", None)},
    ),
    "scala": (
        "object App {\n  val Limit = 3\n  def load(x: Int) = 1\n}\nclass Store(x: Int)\ntrait Shape\n",
        {("App", "object", None), ("load", "method", "App"), ("Store", "class", None), ("Shape", "trait", None)},
    ),
    "kotlin": (
        "class Store(val x: Int) {\n  fun get() = 1\n}\nobject App\nfun load() {}\nval limit = 3\n",
        {("Store", "class", None), ("get", "method", "Store"), ("App", "object", None), ("load", "function", None),
         ("limit", "variable", None)},
    ),
    "swift": (
        ("class Store {\n  func get() -> Int { 1 }\n}\nextension Store: Shape {\n}\nprotocol Shape {\n  func area()\n}"
        "\nstruct Point {}\nlet limit = 3\n"),
        {("Store", "class", None), ("get", "method", "Store"), ("Store", "extension", None),
         ("Shape", "protocol", None), ("area", "method", "Shape"), ("Point", "struct", None),
         ("limit", "variable", None)},
    ),
    "objc": (
        "@interface Store : Base\n- (void)get:(int)x;\n@end\n@implementation Store\n- (void)get:(int)x {\n}\n@end\n",
        {("Store", "interface", None), ("Store", "class", None), ("get", "method", "Store")},
    ),
    "lua": (
        "local function load() end\nfunction App.save(x)\nend\nApp.open = function()\nend\n",
        {("load", "function", None), ("save", "function", "App"), ("open", "function", "App")},
    ),
    "elixir": (
        'defmodule App.Store do\n  @doc "x"\n  def get(x) when x > 1 do\n    x\n  end\n  defp hide, do: 1\nend\n',
        {("App.Store", "module", None), ("get", "function", "App.Store"), ("hide", "function", "App.Store")},
    ),
    "haskell": (
        "module App where\nload :: Int\nload 0 = 1\nload n = n\ndata Store = Store\nclass Shape a where\n  area :: a\n",
        {("load", "function", None), ("Store", "type", None), ("Shape", "class", None)},
    ),
    "ocaml": (
        "let load x = x\nmodule App = struct\n  let save y = 1\nend\ntype store = A | B\nlet limit = 3\n",
        {("load", "function", None), ("App", "module", None), ("save", "function", "App"), ("store", "type", None),
         ("limit", "variable", None)},
    ),
    "julia": (
        "module App\nfunction load(x)\n  x\nend\nsave(x) = 1\nstruct Store\n  a\nend\nconst LIMIT = 3\nend\n",
        {("App", "module", None), ("load", "function", "App"), ("save", "function", "App"),
         ("Store", "struct", "App"), ("LIMIT", "constant", "App")},
    ),
    "zig": (
        ('const std = @import("std");\npub fn load(x: i32) i32 { return x; }\nconst Store = struct {\n  a: i32,\n'
        '  fn get() void {}\n};\ntest "loads" {}\n'),
        {("std", "variable", None), ("load", "function", None), ("Store", "struct", None),
         ("get", "method", "Store"), ("loads", "test", None)},
    ),
    "dart": (
        "class Store {\n  void get() {\n  }\n}\nint load() {\n  return 1;\n}\nenum Color { red }\n",
        {("Store", "class", None), ("get", "method", "Store"), ("load", "function", None), ("Color", "enum", None)},
    ),
    "powershell": (
        "function Get-Store { param($a) }\nclass Store {\n  [int]Get() { return 1 }\n}\n",
        {("Get-Store", "function", None), ("Store", "class", None), ("Get", "method", "Store")},
    ),
    "groovy": (
        "class Store {\n  def get() {\n    return 1\n  }\n}\n",
        {("Store", "class", None), ("get", "method", "Store")},
    ),
    "nix": ("{\n  limit = 3;\n  load = x: x;\n}\n", {("load", "function", None)}),
    "hcl": (
        'resource "aws_instance" "web" {\n  ami = 1\n}\nvariable "limit" {}\nlocals {\n  a = 1\n}\n',
        {("web", "resource", None), ("limit", "variable", None)},
    ),
    "solidity": (
        "contract Store is Base {\n  event Saved(uint x);\n  function get() public {}\n}\n",
        {("Store", "contract", None), ("Saved", "event", "Store"), ("get", "method", "Store")},
    ),
    "css": (".a .b {\n  color: red;\n}\n", {(".a .b", "rule", None)}),
    "scss": ("@mixin big($a) {\n  b: c;\n}\n.a {\n  b: c;\n}\n", {("big", "mixin", None), (".a", "rule", None)}),
    "perl": (
        "package App::Store;\nsub load {\n  return 1;\n}\n",
        {("App::Store", "package", None), ("load", "function", None)}),
    "sql": (
        "CREATE TABLE IF NOT EXISTS app.store (\n  id int\n);\ncreate or replace function load() as $$\n$$;\n",
        {("store", "table", None), ("load", "function", None)},
    ),
    "makefile": (
        "CC := gcc\nbuild: dep\n\tcc x\n.PHONY: build\n",
        {("build", "section", None), (".PHONY", "section", None)}),
    "toml": (
        '[project]\nname = "x"\n[[tool.rule]]\na = 1\n',
        {("project", "section", None), ("tool.rule", "section", None)}),
    "protobuf": ("message Point {\n  int32 x = 1;\n}\n", {("Point", "message", None)}),
    "clojure": ("(ns app.core)\n(defn load-all [x]\n  x)\n", {("app.core", "ns", None), ("load-all", "defn", None)}),
    "r": ("load <- function(x) {\n  x\n}\n", {("load", "section", None)}),
    "jupyter": (
        '{\n "cells": [\n  {\n   "source": [\n    "def load(x):\\n",\n    "    return x"\n   ]\n  }\n ]\n}\n',
        {("load", "function", None)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", SAMPLES)
def test_definitions_are_found_with_kind_and_scope(language: str) -> None:
    text, expected = SAMPLES[language]
    found = chunk(textwrap.dedent(text).lstrip("\n"), language)
    assert found.fallback is None
    assert {(item.name, item.kind, item.scope) for item in found.definitions} >= expected
    plain = {"variable", "declaration"}
    assert {item.name for item in found.definitions if item.kind not in plain} <= {name for name, _, _ in expected} | {
        "class", "name", "area", "Limit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("javascript", "const { a, b } = load();\nconst c = 1, d = () => 2;\nitems[0] = function () {};\n",
         {"c": "variable", "d": "function", "[0]": None}),
        ("javascript", "export default class {\n}\nconst Named = class {\n};\n", {"Named": "class"}),
        ("go", "var (\n\ta = 1\n\tb = 2\n)\n", {"a": "variable", "b": "variable"}),
        ("c", "struct s *use;\nint (*callback)(int);\nunsigned char bytes[4];\n",
         {"use": "variable", "callback": "variable", "bytes": "variable"}),
        ("cpp", "Store::~Store() {\n}\nbool operator==(A a, B b) {\n}\nstd::vector<int> &list() {\n}\n",
         {"list": "function"}),
        ("ruby", "lower = 1\nUpper = 2\n", {"Upper": "constant"}),
        ("python", "a, b = 1, 2\nx.y = 3\nd[1] = 2\ndef f():\n    local = 1\n    LOCAL = 1\n", {"f": "function"}),
        ("rust", "impl fmt::Display for (A, B) {\n}\n", {"(A, B)": "impl"}),
        ("ocaml", "let (a, b) = pair\nlet f = fun x -> x\nlet () = main ()\n", {"f": "function"}),
        ("julia", "x[1] = 2\nf(x)::Int = 1\n", {}),
        ("hcl", "terraform {\n  a = 1\n}\n", {}),
        ("elixir", "use GenServer\ndef\nimport A\n", {}),
        ("zig", "const a, const b = pair;\n", {"a": "variable"}),
        ("lua", "x = 1\nlocal y = 2\n", {}),
        ("swift", "let (a, b) = pair\n", {}),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_definition_is_none(language: str, text: str, expected: dict[str, str | None]) -> None:
    found = {item.name: item.kind for item in chunk(text, language).definitions}
    wanted = {name: kind for name, kind in expected.items() if kind is not None}
    assert found.items() >= wanted.items()
    assert not {name for name, kind in expected.items() if kind is None} & set(found)
    assert not {"local", "LOCAL", "lower", "use GenServer"} & set(found)
