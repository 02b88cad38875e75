"""The bundle's requirements: its members by path inside this repository, by version everywhere else.

`pip install .` in a checkout must install the members that lie beside the bundle, while an index accepts no `file://`
requirement. So the members are named by version in a release (PACKHORSE_RELEASE=1) and wherever they do not lie
beside the bundle, which is the case in its source distribution.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

MEMBERS = {
    "packhorse-core": "core",
    "packhorse-indexing": "plugins/indexing",
    "packhorse-search": "plugins/search",
    "packhorse-tasks": "plugins/tasks",
}


class BundleRequirements(MetadataHookInterface):
    """Fills in the dynamic field `dependencies` of the bundle."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the requirements on the members; hatchling replaces `{root:uri}` by the checkout's address."""
        root = Path(self.root)
        beside = all((root / folder / "pyproject.toml").is_file() for folder in MEMBERS.values())
        if beside and os.environ.get("PACKHORSE_RELEASE", "") in {"", "0"}:
            metadata["dependencies"] = [f"{name} @ {{root:uri}}/{folder}" for name, folder in MEMBERS.items()]
        else:
            metadata["dependencies"] = [f"{name}=={metadata['version']}" for name in MEMBERS]
