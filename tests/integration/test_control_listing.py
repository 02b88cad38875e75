"""Specification of the list of plugins: what each offers and costs, how it is, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from packhorse import hookimpl, terminal
from packhorse.control import choices, listing
from packhorse.control.commands import built
from packhorse.health import Health, HealthCheck

if TYPE_CHECKING:
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration


class Ailing:
    """A plugin with two tools and a check that fails."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.tool
        async def cough() -> None:
            """Cough."""

        @mcp.tool
        async def sneeze() -> None:
            """Sneeze."""

    @hookimpl
    def check_health(self):
        async def fever() -> Health:
            return Health("failed", "It has 39 degrees.", "Let it rest.")

        return [HealthCheck("fever", fever)]


class Breaks:
    """A plugin that does not register."""

    @hookimpl
    def register_tools(self, mcp):
        raise RuntimeError("not today")


def test_the_list_says_what_is_there_what_it_costs_and_how_it_is(
    packhorse_host: MakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host = packhorse_host("tasks", ("ailing", Ailing()), ("breaks", Breaks()))
    choices.switch(host.core_settings.data_dir, "ailing:sneeze", on=False)
    gate, problem = built(host)
    assert problem is None
    entries = {entry.record.name: entry for entry in listing.entries(host, gate, health=True)}
    ailing = entries["ailing"].as_dict()
    assert (ailing["health"], ailing["origin"]) == ("failed", "object")
    assert ailing["tokens"] == ailing["tool_tokens"]["cough"] > 0
    assert ailing["off"]["sneeze"]["why"] == "disabled"
    assert ailing["checks"][0]["remedy"] == "Let it rest."
    assert entries["tasks"].health == "ok"
    assert entries["breaks"].as_dict()["health"] is None

    terminal._console.cache_clear()
    listing.show(list(entries.values()))
    shown = capsys.readouterr().out
    terminal._console.cache_clear()
    assert "1 of 2" in shown
    assert "fever: It has 39 degrees. Let it rest." in shown
    assert "not today" in shown
    assert "packhorse plugins enable ailing:sneeze" in shown


def test_an_empty_list_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    terminal._console.cache_clear()
    listing.show([])
    terminal._console.cache_clear()
    assert "pip install packhorse-indexing" in capsys.readouterr().out
