"""Write what the documents repeat of the code: the settings' tables, `.env.example` and the list of decisions.

Run it after adding or changing a setting or a decision: `python docs/regenerate.py`.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from packhorse.settings import CoreSettings, VariableSettings, plugin_prefix
from packhorse_indexing.settings import IndexingSettings
from packhorse_tasks.settings import TasksSettings

DOCS = Path(__file__).parent
CLASSES: dict[str, type[VariableSettings]] = {
    "core": CoreSettings,
    "indexing": IndexingSettings,
    "tasks": TasksSettings,
}
# What stands in the example where the default would teach nothing.
EXAMPLES = {
    "data_dir": "~/.local/share/packhorse",
    "database_url": "postgresql://me:secret@localhost:5432/packhorse",
    "log_file": "~/packhorse.log",
    "plugins": "packhorse-indexing,packhorse-search,packhorse-tasks",
    "block": "packhorse-tasks",
    "http_token": "at-least-sixteen-characters",
    "embedder_model": "nomic-embed-text",
    "embedder_url": "http://localhost:11434",
    "embedder_api_key": "the-key",
    "embedder_dimensions": "768",
    "allowed_roots": "/",
}
HEAD = """\
# Every setting of Packhorse, with its default or an example, all commented out.
#
# Copy it to ~/.config/packhorse/.env (macOS: ~/Library/Application Support/packhorse/.env), or anywhere you like and
# name it in PACKHORSE_ENV_FILE. A `.env` in the working directory is never read by itself: it belongs to whatever
# repository is there. The environment wins over the file. Paths are absolute, `~` is your home folder.
"""


def default(kind: type[VariableSettings], field: str) -> str:
    """Return a setting's default as one would write it, or nothing when it is unset."""
    value = kind.model_fields[field].get_default(call_default_factory=True, validated_data={})
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def settings() -> None:
    """Fill the tables of docs/configuration.md and write `.env.example`."""
    page = (DOCS / "configuration.md").read_text("utf-8")
    example = [HEAD]
    for plugin, kind in CLASSES.items():
        prefix = "PACKHORSE_" if plugin == "core" else plugin_prefix(plugin)
        rows = ["| variable | default | meaning |", "|---|---|---|"]
        example.append(f"# --- {'the core' if plugin == 'core' else 'the plugin ' + plugin} ----------\n")
        for field, info in kind.model_fields.items():
            names = kind.variable_names(field, prefix)
            name = names[-1]
            meaning = info.description or ""
            cell = meaning.replace("|", "\\|")
            shown = "the user's data folder" if field == "data_dir" else f"`{default(kind, field)}`"
            rows.append(f"| `{name}` | {'unset' if shown == '``' else shown} | {cell} |")
            sentence = f"{meaning[:1].upper()}{meaning[1:]}."
            example += [f"# {line}" for line in textwrap.wrap(sentence, 110)]
            example += [f"#{name}={EXAMPLES.get(field, default(kind, field))}", ""]
        head, mark, rest = page.partition(f"<!-- settings:{plugin} -->\n")
        page = "".join([head, mark, "\n".join(rows), "\n", rest[rest.index("<!-- end -->") :]])
    (DOCS / "configuration.md").write_text(page, "utf-8")
    (DOCS.parent / ".env.example").write_text("\n".join(example).rstrip() + "\n", "utf-8")


def decisions() -> None:
    """Fill the list of docs/decisions/README.md."""
    readme = DOCS / "decisions" / "README.md"
    head, table, _ = readme.read_text("utf-8").partition("| | |\n|---|---|\n")
    rows = []
    for page in sorted(readme.parent.glob("[0-9]*.md")):
        number, title = page.read_text("utf-8").split("\n", 1)[0].removeprefix("# ").split(" ", 1)
        rows.append(f"| [{number}]({page.name}) | {title} |\n")
    readme.write_text(head + table + "".join(rows), "utf-8")


if __name__ == "__main__":
    settings()
    decisions()
