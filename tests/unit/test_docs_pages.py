"""The documents hold together: links lead somewhere, examples parse, settings exist, README's commands are CI's."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote

import pytest

from packhorse.settings import CoreSettings, PluginSettings, VariableSettings, describe, load_settings, plugin_prefix
from packhorse.variables import RESERVED_NAMES, RESERVED_PREFIXES, Variable

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
OURS = ("indexing", "search", "tasks")
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("core/*.md"), *ROOT.glob("plugins/*/*.md")]
    if path.is_file()
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


def anchor(heading: str) -> str:
    """The fragment that Markdown viewers give to a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced code blocks of a page as (language, text)."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def settings_classes() -> dict[str, type[VariableSettings]]:
    """The settings class of the core and of each of our plugins, by the prefix of its variables."""
    classes: dict[str, type[VariableSettings]] = {"PACKHORSE_": CoreSettings}
    for entry in entry_points(group="packhorse"):
        if entry.name in OURS:
            register = getattr(importlib.import_module(entry.value), "register_settings", PluginSettings)
            classes[plugin_prefix(entry.name)] = register if isinstance(register, type) else register()
    return classes


def settings_names() -> dict[str, tuple[str, ...]]:
    """Every setting's names, by the one that wins."""
    return {
        names[0]: names
        for prefix, kind in settings_classes().items()
        for field in kind.model_fields
        for names in [kind.variable_names(field, prefix)]
    }


def example_variables() -> dict[str, str]:
    """The assignments in .env.example, whether commented out or not."""
    text = (ROOT / ".env.example").read_text("utf-8")
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_link_between_our_pages_leads_to_a_file_and_a_heading(name: str) -> None:
    """A reader who clicks arrives."""
    page = ROOT / name
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, fragment = unquote(target).partition("#")
        destination = (page.parent / path).resolve() if path else page
        assert destination.exists(), f"{name} links to {target}, which does not exist"
        if fragment:
            assert fragment in anchors(destination), f"{name} links to {target}, and no heading is called so"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_parses(name: str) -> None:
    """A block that says python, json or shell is python, json or shell."""
    for language, text in blocks(ROOT / name):
        if language == "python":
            ast.parse(text if not text.startswith("def ") or ":\n" in text else text.rstrip() + ": ...")
        elif language == "json":
            json.loads(text)
        elif language in {"shell", "sh", "bash"}:
            checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
            assert checked.returncode == 0, f"{text}\n{checked.stderr}"


@pytest.mark.parametrize("name", [*(name for name in NAMES if "decisions/" not in name), ".env.example"])
def test_no_page_names_a_setting_that_does_not_exist(name: str) -> None:
    """A name that is copied from our pages is never refused at the start."""
    known = {one for names in settings_names().values() for one in names} | RESERVED_NAMES
    mentioned = set(re.findall(r"\bPACKHORSE_[A-Z0-9_]*[A-Z0-9]\b(?!_|\*|<)", (ROOT / name).read_text("utf-8")))
    unknown = {word for word in mentioned - known if not word.startswith(RESERVED_PREFIXES)}
    assert not unknown


@pytest.mark.parametrize("page", ["docs/configuration.md", ".env.example"])
def test_every_setting_is_described(page: str) -> None:
    """Under the name that wins, or under the shorter one that the contract gave it."""
    text = (ROOT / page).read_text("utf-8")
    missing = [
        first for first, names in settings_names().items() if not any(re.search(rf"\b{n}\b", text) for n in names)
    ]
    assert not missing


def test_the_defaults_in_the_tables_are_the_defaults() -> None:
    """A row `name | default | meaning` of docs/configuration.md says what the code says."""
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .*\|$", text, re.MULTILINE))
    for prefix, kind in settings_classes().items():
        plugin = prefix.removeprefix("PACKHORSE_").rstrip("_").lower()
        chosen = {plugin: kind()} if plugin else {}
        described = {name: one for one in describe(CoreSettings(), chosen, {}) for name in (one.name, *one.other_names)}
        for name in described.keys() & rows.keys():
            if name.endswith("_DATA_DIR"):
                continue  # its default depends on the system, and the row says so in words
            assert rows[name] == (f"`{described[name].default}`" if described[name].default else "unset"), name


def test_the_example_settings_are_the_defaults_or_accepted() -> None:
    """Someone who removes every comment sign gets a configuration that starts."""
    variables = {name: Variable(name, value, ".env.example") for name, value in example_variables().items()}
    assert variables
    load_settings(variables)
    for prefix, kind in settings_classes().items():
        for field in kind.model_fields:
            assert any(name in variables for name in kind.variable_names(field, prefix))


def test_the_test_command_of_the_readme_is_what_ci_runs() -> None:
    """CI tests the sentence that a newcomer copies."""
    commands = [text.strip() for _, text in blocks(ROOT / "README.md")]
    script = (ROOT / ".ci/run").read_text("utf-8").strip().splitlines()
    assert script[-1] in commands


def test_ci_runs_by_itself() -> None:
    """The script is executable and valid."""
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_page_holds_a_placeholder(name: str) -> None:
    """What is written is whole."""
    assert not re.search(r"\b(TODO|TBD|FIXME|XXX|lorem ipsum)\b", (ROOT / name).read_text("utf-8"), re.IGNORECASE)


def test_each_decision_has_a_number_of_its_own_and_says_what_the_format_asks() -> None:
    """A title, a status, a date, and what, why and what was measured."""
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len({path.name[:4] for path in records}) == len(records)
    for path in records:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:4]} "), f"{path.name} begins with its number and title"
        for word in ("Status:", "Date:", "## What", "## Why", "## Measured"):
            assert word in text, f"{path.name} lacks {word}"


def test_the_list_of_decisions_is_complete() -> None:
    """Who looks for a decision finds it in the list."""
    listed = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    missing = [path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md") if f"]({path.name})" not in listed]
    assert not missing


def test_every_page_is_in_the_index() -> None:
    """docs/README.md leads to each page beside it."""
    index = (ROOT / "docs/README.md").read_text("utf-8")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f"]({path.name})" not in index]
    assert missing in ([], ["README.md"])
