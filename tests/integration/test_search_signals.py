"""The hook `search_signals`: other plugins speak for and against places, within bounds and a tenth of a second."""

from __future__ import annotations

import asyncio
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from packhorse import hookimpl
from packhorse_indexing.service import Index
from packhorse_search.assemble import Form
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.context import PluginContext
    from packhorse.testing import MakeHost
    from packhorse_search.answer import SearchAnswer

pytestmark = pytest.mark.integration

TWINS = ("alpha.py", "beta.py", "gamma.py")


@pytest.fixture
def search(packhorse_host: MakeHost, make_repository: Any) -> Any:
    """Search among files that answer alike, with a plugin that implements the hook."""
    repository = make_repository()
    for name in TWINS:
        repository.write(name, f"def open_session():\n    return '{name}'\n")

    async def run(signals: Callable[..., Any], *, times: int = 1) -> SearchAnswer:
        module = ModuleType("opinion")
        vars(module)["search_signals"] = hookimpl(signals)
        host = packhorse_host("indexing", "search", ("opinion", module))
        async with host.running():
            index, service = host.services.find(Index), host.services.find(Search)
            assert index is not None
            assert service is not None
            await index.index(str(repository))
            for _ in range(times - 1):
                await service.search(Request("open session"))
            return await service.search(Request("open session", form=Form(explain=True)))

    return run


def order(answer: SearchAnswer) -> list[str]:
    return [result.file_path for result in answer.results]


async def test_a_plugin_lifts_one_place_and_lowers_another(search):
    """It is told the query, the places and its own context; the answer says who had a say."""
    told: dict[str, Any] = {}

    def signals(query: str, places: Any, context: PluginContext) -> Any:
        told.update(query=query, places=list(places), plugin=context.name)
        return {place: {"gamma.py": 1.0, "alpha.py": -1.0}.get(place.file_path, 0.0) for place in places}

    answer = await search(signals)
    assert order(answer) == ["gamma.py", "beta.py", "alpha.py"]
    assert "opinion" in answer.results[0].why
    assert answer.results[0].explain["plugin opinion"] > 0 > answer.results[2].explain["plugin opinion"]
    assert "plugin opinion" not in answer.results[1].explain
    assert (told["query"], told["plugin"]) == ("open session", "opinion")
    assert {place.symbol for place in told["places"]} == {"open_session"}
    assert told["places"][0].start_line == 1


async def test_what_a_plugin_says_is_bounded(search):
    """No plugin can buy a place: a million counts as one, and what is no number as nothing."""
    answer = await search(lambda places: {place: 1e6 for place in places if place.file_path == "gamma.py"})
    most = answer.results[0].explain["plugin opinion"]
    assert order(answer)[0] == "gamma.py"
    assert most == pytest.approx(0.3)
    answer = await search(lambda places: {**dict.fromkeys(places, float("nan")), "no place": 1.0})
    assert sorted(order(answer)) == list(TWINS)
    assert all("plugin opinion" not in result.explain for result in answer.results)


@pytest.mark.parametrize("fault", ["raises", "exits", "cancels", "nonsense", "late"])
async def test_a_plugin_that_misbehaves_costs_neither_the_answer_nor_its_time(search, fault):
    """Whatever it does, the search goes on without it."""

    async def signals(places: Any) -> Any:
        if fault == "late":
            await asyncio.sleep(60)
        if fault == "nonsense":
            return dict.fromkeys(places, "very")
        raise {"exits": SystemExit, "cancels": asyncio.CancelledError}.get(fault, RuntimeError)("broken")

    answer = await search(signals)
    assert sorted(order(answer)) == list(TWINS)
    assert answer.latency_ms < 5_000


async def test_a_hung_thread_is_waited_for_a_few_times_only(search):
    """A plain function that hangs holds up nobody for long, and is left alone after five times."""
    released = threading.Event()
    calls = []

    def signals() -> Any:
        calls.append(time.monotonic())
        released.wait(60)

    try:
        answer = await search(signals, times=7)
    finally:
        released.set()
    assert sorted(order(answer)) == list(TWINS)
    assert len(calls) == 5


async def test_a_plugin_that_only_awaits_needs_no_thread_and_goes_on_when_there_is_none_left(search, monkeypatch):
    monkeypatch.setattr("packhorse.asking.THREADS", 0)

    async def lifts_gamma(places: list[Any]) -> dict[Any, float]:
        return {place: 1.0 for place in places if place.file_path == "gamma.py"}

    answer = await search(lifts_gamma)
    assert order(answer)[0] == "gamma.py"
    assert "plugin opinion" in answer.results[0].explain
