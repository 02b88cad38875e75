"""Discovery decides from metadata which plugins may be imported, and in which order."""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING

import pytest

from packhorse.discovery import Candidate, discover, in_order, screen, unmatched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.fixture
def distribution(site: Path) -> Callable[..., Path]:
    """Write a distribution's metadata into the site folder: name, entry points, requirements."""

    def write(
        name: str, points: str, *, version: str = "1.0", requires: tuple[str, ...] = (), python: str = ""
    ) -> Path:
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Python: {python}"] if python else []
        lines += [f"Requires-Dist: {one}" for one in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / "entry_points.txt").write_text(f"[packhorse]\n{points}\n", "utf-8")
        return folder

    return write


def found_in(site: Path) -> list[Candidate]:
    return [one for one in discover() if one.location in {str(site), ""} or "dist-info" in one.location]


def faults(candidates: list[Candidate]) -> dict[str, str]:
    return {one.distribution: one.fault.status if one.fault else "" for one in candidates}


def test_a_candidate_has_what_its_metadata_says(site: Path, distribution: Callable[..., Path]) -> None:
    """Nothing is imported to know it."""
    distribution("packhorse-one", "one = no_such_module", version="2.1", requires=("packhorse-core>=0.1",))
    (one,) = found_in(site)
    assert (one.name, one.distribution, one.version, one.location) == ("one", "packhorse-one", "2.1", str(site))
    assert one.requires == ("packhorse-core>=0.1",)
    assert one.fault is None
    assert "no_such_module" not in sys.modules


def test_an_editable_install_is_located_at_its_source(distribution: Callable[..., Path]) -> None:
    """The location is where a person would edit it."""
    folder = distribution("packhorse-one", "one = m")
    (folder / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "file:///home/me/my%20pack"}')
    (one,) = [one for one in discover() if one.distribution == "packhorse-one"]
    assert one.location == "/home/me/my pack"


@pytest.mark.parametrize(
    ("name", "point", "reason"),
    [
        ("packhorse-foo-bar", "foo_bar", ""),
        ("packhorse-foo-bar", "foo-bar", "must be called foo_bar"),
        ("packhorse-foo", "bar", "must be called foo"),
        ("acme-tools", "acme", ""),
        ("acme-tools", "Acme", "no plugin name"),
        ("acme-tools", "9lives", "no plugin name"),
        ("acme-tools", "a" * 33, "no plugin name"),
        ("acme-tools", "\u0430cme", "no plugin name"),
        ("packhorse-core-tools", "core_tools", ""),
        ("packhorse-public", "public", "reserved"),
        ("packhorse-data", "data", "reserved"),
        ("acme-tools", "pg_catalog", "reserved"),
    ],
)
def test_the_entry_point_is_named_after_the_distribution(
    site: Path, distribution: Callable[..., Path], name: str, point: str, reason: str
) -> None:
    """A name that lies, is malformed, or would collide with the core's schema or settings is refused."""
    distribution(name, f"{point} = m")
    (one,) = found_in(site)
    assert reason in (one.fault.error if one.fault else "")
    assert bool(reason) == bool(one.fault)


def test_of_two_distributions_with_one_name_the_rightful_one_keeps_it(
    site: Path, distribution: Callable[..., Path]
) -> None:
    """A stranger that sorts first cannot take the name of packhorse-<name>; both are named."""
    distribution("aaa-tools", "one = m")
    distribution("packhorse-one", "one = m")
    distribution("zzz-tools", "two = m")
    distribution("bbb-tools", "two = m")
    screened = screen(found_in(site), None, ())
    assert faults(screened) == {"aaa-tools": "conflict", "packhorse-one": "", "bbb-tools": "", "zzz-tools": "conflict"}
    fault = next(one.fault for one in screened if one.distribution == "aaa-tools")
    assert fault is not None
    assert "aaa-tools" in fault.error
    assert "packhorse-one" in fault.error
    unblocked = screen(found_in(site), None, ("packhorse-one",))
    assert faults(unblocked)["aaa-tools"] == "", "blocking the one frees the name for the other"


def test_a_distribution_seen_twice_on_the_path_is_one(
    site: Path, distribution: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy that an import would take counts."""
    distribution("packhorse-one", "one = m", version="2.0")
    site.rename(tmp_path / "second")
    site.mkdir()
    distribution("packhorse-one", "one = m", version="1.0")
    monkeypatch.setattr(sys, "path", [str(site), str(tmp_path / "second"), str(site), *sys.path])
    assert [one.version for one in discover() if one.distribution == "packhorse-one"] == ["1.0"]


@pytest.mark.parametrize(
    ("allow", "block", "loaded"),
    [
        (None, (), {"one", "two"}),
        ((), (), set()),
        (("packhorse-one",), (), {"one"}),
        (("Packhorse_One",), (), {"one"}),
        (("two",), (), {"two"}),
        (None, ("PACKHORSE.TWO",), {"one"}),
        (("one", "two"), ("one",), {"two"}),
    ],
)
def test_allow_and_block_lists_go_by_distribution_or_name(
    site: Path,
    distribution: Callable[..., Path],
    allow: tuple[str, ...] | None,
    block: tuple[str, ...],
    loaded: set[str],
) -> None:
    """However it is spelt; an empty allow list allows none, and blocking wins."""
    distribution("packhorse-one", "one = m")
    distribution("packhorse-two", "two = m")
    screened = screen(found_in(site), allow, block)
    assert {one.name for one in screened if one.fault is None} == loaded
    assert all(one.fault.status == "blocked" and "PACKHORSE_" in one.fault.remedy for one in screened if one.fault)


def test_a_list_entry_that_matches_nothing_is_found(site: Path, distribution: Callable[..., Path]) -> None:
    """It is most likely misspelt."""
    distribution("packhorse-one", "one = m")
    assert unmatched(found_in(site), ["one", "packhorse-one", "oen"]) == ["oen"]


@pytest.mark.parametrize(
    ("requires", "python", "status", "remedy"),
    [
        (("pytest>=1",), "", "", ""),
        (("pytest<1",), "", "incompatible", "pip install 'pytest<1'"),
        (("nobody-has-this",), "", "incompatible", "pip install 'nobody-has-this'"),
        (("nobody-has-this; python_version < '3'",), "", "", ""),
        (("nobody-has-this; extra == 'more'",), "", "", ""),
        (("packhorse-core>=0.1,<9",), "", "", ""),
        (("packhorse-core>=9",), "", "incompatible", "packhorse-core"),
        (("Packhorse_Core<0.0.1",), "", "incompatible", "packhorse-core"),
        ((), ">=3.99", "incompatible", "made for Python"),
        (("this is no requirement!",), "", "failed", "author"),
        ((), "whenever", "failed", "author"),
    ],
)
def test_requirements_are_checked_before_anything_is_imported(
    site: Path,
    distribution: Callable[..., Path],
    requires: tuple[str, ...],
    python: str,
    status: str,
    remedy: str,
) -> None:
    """What is missing or too old is named with the command that installs it."""
    distribution("packhorse-one", "one = m", requires=requires, python=python)
    (one,) = screen(found_in(site), None, ())
    assert (one.fault.status if one.fault else "") == status
    assert remedy in (one.fault.remedy if one.fault else "")


def test_plugins_come_after_those_that_they_require(site: Path, distribution: Callable[..., Path]) -> None:
    """Otherwise by name; a circle falls back to names."""
    distribution("packhorse-a", "a = m", requires=("packhorse-z", "packhorse-core"))
    distribution("packhorse-b", "b = m")
    distribution("packhorse-z", "z = m", requires=("packhorse-y>=1",))
    distribution("packhorse-y", "y = m")
    assert [one.name for one in screen(found_in(site), None, ())] == ["b", "y", "z", "a"]
    circle = [
        Candidate("p", "packhorse-p", requires=("packhorse-q",)),
        Candidate("q", "packhorse-q", requires=("packhorse-p",)),
    ]
    assert [one.name for one in in_order(circle)] == ["p", "q"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("METADATA", b""),
        ("METADATA", b"Name: packhorse-one\n"),
        ("METADATA", b"\xff\xfe\x00broken"),
        ("entry_points.txt", b"[packhorse]\none = \xff"),
        ("entry_points.txt", b"[packhorse]\n= = =\n\x00"),
        ("direct_url.json", b"{"),
    ],
)
def test_broken_metadata_hides_no_other_plugin(distribution: Callable[..., Path], file: str, content: bytes) -> None:
    """The broken one is reported, or at worst not found; nothing is raised."""
    folder = distribution("packhorse-one", "one = m")
    distribution("packhorse-two", "two = m")
    (folder / file).write_bytes(content)
    screened = {one.name: one for one in screen(discover(), None, ())}
    assert screened["two"].fault is None
    if file == "METADATA":
        fault = screened["one"].fault
        assert fault is not None
        assert "--force-reinstall" in fault.remedy


@pytest.mark.parametrize("what", ["plugins", "requirements"])
def test_metadata_that_would_take_seconds_to_read_is_refused(distribution: Callable[..., Path], what: str) -> None:
    """One distribution must not delay every start."""
    points = "\n".join(f"one{number} = m" for number in range(1_001 if what == "plugins" else 1))
    requires = tuple(f"x{number}" for number in range(1_001 if what == "requirements" else 0))
    distribution("packhorse-one", points, requires=requires)
    (one,) = [one for one in discover() if one.distribution == "packhorse-one"]
    assert one.fault is not None
    assert f"1001 {what}" in one.fault.error


def test_fifty_installed_packs_are_discovered_in_thirty_milliseconds(
    site: Path, distribution: Callable[..., Path]
) -> None:
    """The time that packs cost before their own imports, at its best of several, as other processes disturb."""
    base = min(timed() for _ in range(5))
    for number in range(50):
        distribution(f"packhorse-pack{number}", f"pack{number} = m", requires=("packhorse-core>=0.1", "pytest>=1"))
    assert len(screen(found_in(site), None, ())) == 50
    assert min(timed() for _ in range(5)) - base < 0.030


def timed() -> float:
    """Return the CPU seconds of one discovery, without what measuring the coverage adds."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        start = process_time()
        screen(discover(), None, ())
        return process_time() - start
    finally:
        sys.settrace(trace)
