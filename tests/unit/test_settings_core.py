"""Specification of the settings: their names, their precedence, their messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from packhorse.errors import ConfigurationError
from packhorse.settings import (
    AbsolutePath,
    CommaSeparated,
    CoreSettings,
    PluginSettings,
    check_unknown,
    describe,
    load_plugin_settings,
    load_settings,
)
from packhorse.variables import Variable, env_file, read_variables, unread_env_file

pytestmark = pytest.mark.unit


def variables(**values: str) -> dict[str, Variable]:
    return {name: Variable(name, value, "environment") for name, value in values.items()}


def refusal(**values: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(variables(**values))
    return str(caught.value)


class ExampleSettings(PluginSettings):
    """Settings as a plugin would define them."""

    limit: int = Field(default=5, ge=1, description="the most that is returned")
    key: SecretStr | None = None
    roots: tuple[str, ...] = ()
    words: CommaSeparated = ()
    weights: dict[str, float] = Field(default_factory=dict)
    table: AbsolutePath | None = None


class NeedySettings(PluginSettings):
    """Settings of a plugin that cannot do without one of them."""

    endpoint: str = Field(description="where the service is")


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process without settings, whose user has the configuration folder that is returned."""
    for name in list(read_variables()):
        if name.startswith("PACKHORSE_") or name.lower() in CoreSettings.unprefixed:
            monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "config"
    (folder / "packhorse").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setattr("packhorse.variables.user_config_path", lambda name: folder / name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder / "packhorse"


def test_without_variables_the_contracts_defaults_hold() -> None:
    settings = load_settings({})
    assert (settings.db_pool_size, settings.db_max_overflow, settings.log_level) == (20, 10, "INFO")
    assert settings.database_url is None
    assert settings.plugins is None
    assert settings.data_dir.is_absolute()


def test_the_contracts_unprefixed_names_are_read() -> None:
    settings = load_settings(
        variables(
            DATABASE_URL="postgresql://u:pass-wd@h/d",
            DB_POOL_SIZE="3",
            DB_MAX_OVERFLOW="0",
            LOG_LEVEL="warn",
            LOG_FILE="/tmp/x.log",
            LOG_JSON="1",
        )
    )
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:pass-wd@h/d"
    assert (settings.db_pool_size, settings.db_max_overflow) == (3, 0)
    assert (settings.log_level, settings.log_file, settings.log_json) == ("WARNING", Path("/tmp/x.log"), True)


def test_the_prefixed_name_wins_over_the_unprefixed() -> None:
    assert load_settings(variables(DB_POOL_SIZE="3", PACKHORSE_DB_POOL_SIZE="4")).db_pool_size == 4


def test_other_settings_are_not_read_without_the_prefix() -> None:
    assert load_settings(variables(STRICT="1", DATA_DIR="/x")).strict is False


def test_an_empty_variable_is_as_if_unset_but_for_the_plugin_lists() -> None:
    settings = load_settings(variables(DATABASE_URL=" ", DB_POOL_SIZE="", PACKHORSE_PLUGINS="", PACKHORSE_BLOCK=""))
    assert settings.database_url is None
    assert settings.db_pool_size == 20
    assert settings.plugins == ()
    assert settings.block == ()


def test_an_empty_prefixed_variable_lets_the_unprefixed_through() -> None:
    assert load_settings(variables(PACKHORSE_DB_POOL_SIZE="", DB_POOL_SIZE="7")).db_pool_size == 7


def test_plugin_lists_are_comma_separated() -> None:
    settings = load_settings(variables(PACKHORSE_PLUGINS=" packhorse-tasks, packhorse-search ,", PACKHORSE_BLOCK="a"))
    assert settings.plugins == ("packhorse-tasks", "packhorse-search")
    assert settings.block == ("a",)


def test_a_home_folder_is_expanded() -> None:
    assert load_settings(variables(PACKHORSE_DATA_DIR="~/packs")).data_dir == Path.home() / "packs"


def test_a_data_folder_that_is_a_file_or_lies_below_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for folder in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "data"):
        assert f"{tmp_path / 'notes.txt'} is a file; name a folder" in refusal(PACKHORSE_DATA_DIR=str(folder))


def test_a_relative_path_is_refused_and_its_absolute_form_shown() -> None:
    message = refusal(PACKHORSE_DATA_DIR="some/folder")
    assert "PACKHORSE_DATA_DIR is 'some/folder'" in message
    assert str(Path.cwd() / "some/folder") in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_POOL_SIZE", "many", "DB_POOL_SIZE is 'many': it should be a valid integer"),
        ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
        ("PACKHORSE_DB_DEADLINE", "-1", "greater than 0"),
        ("PACKHORSE_DB_DEADLINE", "inf", "finite"),
        ("LOG_LEVEL", "LOUD", "'INFO', 'SUCCESS', 'WARNING'"),
        ("PACKHORSE_STRICT", "perhaps", "boolean"),
    ],
)
def test_a_wrong_value_is_answered_with_name_value_and_what_is_allowed(name: str, value: str, expected: str) -> None:
    message = refusal(**{name: value})
    assert name in message
    assert repr(value) in message
    assert expected in message


def test_every_wrong_variable_is_named_at_once() -> None:
    message = refusal(DB_POOL_SIZE="x", DB_MAX_OVERFLOW="y")
    assert "DB_POOL_SIZE" in message
    assert "DB_MAX_OVERFLOW" in message


def test_a_wrong_secret_is_not_repeated() -> None:
    message = refusal(PACKHORSE_HTTP_TOKEN="hunter2")
    assert "PACKHORSE_HTTP_TOKEN is set to a secret" in message
    assert "hunter2" not in message
    assert "16 characters" in message


def test_a_wrong_value_in_a_file_names_the_file() -> None:
    with pytest.raises(ConfigurationError, match=r"DB_POOL_SIZE in /etc/x\.env is 'a'"):
        load_settings({"DB_POOL_SIZE": Variable("DB_POOL_SIZE", "a", "/etc/x.env")})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        CoreSettings().strict = True  # type: ignore[misc]


def test_building_settings_directly_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "99")
    monkeypatch.setenv("PACKHORSE_STRICT", "1")
    assert CoreSettings().db_pool_size == 20
    assert CoreSettings().strict is False


def test_a_plugins_settings_have_its_prefix_and_read_words_json_and_paths() -> None:
    settings = load_plugin_settings(
        ExampleSettings,
        "my_pack",
        variables(
            PACKHORSE_MY_PACK_LIMIT="9",
            PACKHORSE_MY_PACK_WORDS="a, b",
            PACKHORSE_MY_PACK_ROOTS='["/x"]',
            PACKHORSE_MY_PACK_WEIGHTS='{"a": 0.5}',
            PACKHORSE_MY_PACK_TABLE="~/t",
            LIMIT="1",
        ),
    )
    assert settings.limit == 9
    assert settings.words == ("a", "b")
    assert settings.roots == ("/x",)
    assert settings.weights == {"a": 0.5}
    assert settings.table == Path.home() / "t"


def test_broken_json_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"PACKHORSE_P_WEIGHTS is .\{., which is not valid JSON"):
        load_plugin_settings(ExampleSettings, "p", variables(PACKHORSE_P_WEIGHTS="{"))


def test_a_wrong_item_inside_json_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match="PACKHORSE_P_WEIGHTS is"):
        load_plugin_settings(ExampleSettings, "p", variables(PACKHORSE_P_WEIGHTS='{"a": "x"}'))


def test_a_required_setting_that_is_missing_is_named_with_its_meaning() -> None:
    with pytest.raises(ConfigurationError, match=r"PACKHORSE_NEEDY_ENDPOINT is not set: .*where the service is"):
        load_plugin_settings(NeedySettings, "needy", {})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PACKHORSE_DATABASE_UL", "PACKHORSE_DATABASE_URL"),
        ("PACKHORSE_EXAMPLE_LIMITS", "PACKHORSE_EXAMPLE_LIMIT"),
        ("PACKHORSE_ENVFILE", "PACKHORSE_ENV_FILE"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_name(name: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} .*did you mean {near}"):
        check_unknown({"example": ExampleSettings}, variables(**{name: "1"}))


def test_an_unknown_variable_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_unknown({}, variables(PACKHORSE_ZZZZZZZZZZ="1"))
    assert "did you mean" not in str(caught.value)
    assert caught.value.details == {"unknown": ["PACKHORSE_ZZZZZZZZZZ"]}


def test_variables_of_plugins_that_are_not_loaded_and_of_tests_pass() -> None:
    check_unknown(
        {"blocked": None, "example": ExampleSettings},
        variables(
            PACKHORSE_BLOCKED_ANYTHING="1",
            PACKHORSE_TEST_DATABASE_URL="x",
            PACKHORSE_EXAMPLE_KEY="k",
            PACKHORSE_ENV_FILE="/x",
            PACKHORSE_DATA_DIR="/x",
            DATABASE_URL="x",
            SOMETHING_ELSE="x",
        ),
    )


def test_a_loaded_plugin_without_settings_reads_nothing() -> None:
    with pytest.raises(ConfigurationError, match="PACKHORSE_PLAIN_LIMIT"):
        check_unknown({"plain": PluginSettings}, variables(PACKHORSE_PLAIN_LIMIT="1"))


def test_the_description_masks_secrets_and_names_sources() -> None:
    found = variables(
        DATABASE_URL="postgresql://u:verysecret@h/d", PACKHORSE_X_KEY="topsecret", PACKHORSE_HTTP_TOKEN="t" * 20
    )
    plugin = load_plugin_settings(ExampleSettings, "x", found)
    rows = {row.name: row for row in describe(load_settings(found), {"x": plugin}, found)}
    assert rows["PACKHORSE_DATABASE_URL"].value == "postgresql://u:***@h/d"
    assert rows["PACKHORSE_DATABASE_URL"].other_names == ("DATABASE_URL",)
    assert rows["PACKHORSE_DATABASE_URL"].source == "DATABASE_URL (environment)"
    assert rows["PACKHORSE_HTTP_TOKEN"].value == "***"
    assert rows["PACKHORSE_X_KEY"].value == "***"
    assert rows["PACKHORSE_X_KEY"].plugin == "x"
    assert rows["PACKHORSE_X_LIMIT"].value == rows["PACKHORSE_X_LIMIT"].default == "5"
    assert rows["PACKHORSE_X_LIMIT"].source == "default"
    assert rows["PACKHORSE_PLUGINS"].value is None
    assert rows["PACKHORSE_STRICT"].value == "false"
    assert rows["PACKHORSE_BLOCK"].value == ""


def test_every_core_setting_is_described() -> None:
    assert all(row.description for row in describe(CoreSettings(), {}, {}))


def test_the_users_env_file_is_read_and_the_environment_wins(
    no_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_variables / ".env").write_text("DB_POOL_SIZE=5\nexport PACKHORSE_STRICT='true'\nDB_MAX_OVERFLOW=1\n")
    monkeypatch.setenv("DB_MAX_OVERFLOW", "2")
    settings = load_settings()
    assert (settings.db_pool_size, settings.db_max_overflow, settings.strict) == (5, 2, True)
    assert read_variables()["DB_POOL_SIZE"].source == str(no_variables / ".env")


def test_a_dollar_in_a_files_password_is_just_a_dollar(no_variables: Path) -> None:
    (no_variables / ".env").write_text("DATABASE_URL=postgresql://u:a${HOME}b@h/d\n")
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:a${HOME}b@h/d"


@pytest.mark.usefixtures("no_variables")
def test_the_working_directorys_env_file_is_never_read() -> None:
    Path(".env").write_text("DATABASE_URL=postgresql://evil/db\nPACKHORSE_STRICT=1\n")
    assert load_settings().database_url is None
    assert env_file() is None


@pytest.mark.usefixtures("no_variables")
def test_an_unread_env_file_with_our_names_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unread_env_file() is None
    Path(".env").write_text("DATABASE_URL=x\n")
    assert unread_env_file() is None
    Path(".env").write_text("A=1\nexport PACKHORSE_STRICT=1\n")
    assert unread_env_file() == Path.cwd() / ".env"
    monkeypatch.setenv("PACKHORSE_ENV_FILE", ".env")
    assert unread_env_file() is None
    assert load_settings().strict is True


@pytest.mark.usefixtures("no_variables")
def test_an_unread_env_file_that_cannot_be_looked_at_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PACKHORSE_STRICT=1\n")
    monkeypatch.setenv("PACKHORSE_ENV_FILE", "/does/not/exist")
    assert unread_env_file() is None


@pytest.mark.usefixtures("no_variables")
def test_a_named_env_file_that_is_missing_is_an_error_with_its_absolute_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKHORSE_ENV_FILE", "missing.env")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(Path.cwd() / "missing.env") in str(caught.value)


def test_an_env_file_that_is_not_text_is_an_error(no_variables: Path) -> None:
    (no_variables / ".env").write_bytes(b"DB_POOL_SIZE=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings()


def test_an_unknown_name_in_a_file_is_refused_naming_the_file(no_variables: Path) -> None:
    (no_variables / ".env").write_text("PACKHORSE_DATADIR=/x\n")
    with pytest.raises(ConfigurationError) as caught:
        check_unknown({})
    assert f"PACKHORSE_DATADIR (in {no_variables / '.env'})" in str(caught.value)
    assert "PACKHORSE_DATA_DIR" in str(caught.value)
