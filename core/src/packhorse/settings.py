"""The settings of the core and the base class of a plugin's settings, read from the environment and a `.env` file.

Building a settings class directly reads nothing but its arguments; `load_settings` and `load_plugin_settings` read
the variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from packhorse.errors import ConfigurationError
from packhorse.redaction import MASK, protect, redact
from packhorse.variables import PREFIX, Variable, check_names, read_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

B = TypeVar("B", bound="VariableSettings")
P = TypeVar("P", bound="PluginSettings")

SHORTEST_TOKEN = 16


def _absolute(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError(
            f"a relative path depends on the folder in which the client happens to start the server; "
            f"write {path.absolute()}"
        )
    return path


def _no_file(path: Path) -> Path:
    for part in (path, *path.parents):
        if part.is_file():
            raise ValueError(f"{part} is a file; name a folder, which is made when it does not exist")
    return path


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _level(value: object) -> object:
    if not isinstance(value, str):
        return value
    level = value.strip().upper()
    return {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)


def _unguessable(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"a token of fewer than {SHORTEST_TOKEN} characters can be guessed")
    return token


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
"""A path in a setting: `~` is expanded, and a relative one is refused with its absolute form in the message."""

CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several words in one setting, separated by commas."""

LogLevel = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)
]


class VariableSettings(BaseSettings):
    """What the core's and the plugins' settings share: frozen, no unknown fields, nothing read implicitly."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    unprefixed: ClassVar[frozenset[str]] = frozenset()
    """The fields that are read without the prefix too; the prefixed variable wins."""
    may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """The fields for which an empty variable has a meaning; elsewhere it counts as unset."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments only, so that settings built in a test are not what the tester's environment says."""
        return (init_settings,)

    @classmethod
    def variable_names(cls, field: str, prefix: str) -> tuple[str, ...]:
        """Return the names under which `field` is read, the one that wins first."""
        name = field.upper()
        return (prefix + name, name) if field in cls.unprefixed else (prefix + name,)


class PluginSettings(VariableSettings):
    """The base of a plugin's settings; the core fixes the environment prefix to `PACKHORSE_<PLUGIN>_`.

    Give every field a default, so that the plugin starts unconfigured, and a `Field(description=…)`, which
    `packhorse config` prints. Secrets are `SecretStr`, paths `AbsolutePath`, lists of words `CommaSeparated`; other
    lists and dictionaries are read as JSON.
    """


class CoreSettings(VariableSettings):
    """The host's settings."""

    unprefixed: ClassVar[frozenset[str]] = frozenset(
        {"database_url", "db_pool_size", "db_max_overflow", "log_level", "log_file", "log_json"}
    )
    may_be_empty: ClassVar[frozenset[str]] = frozenset({"plugins", "block"})

    data_dir: Annotated[AbsolutePath, AfterValidator(_no_file)] = Field(
        default_factory=lambda: user_data_path("packhorse"),
        description="the folder of the embedded database and of the logs",
    )
    database_url: SecretStr | None = Field(
        default=None, description="a PostgreSQL with pgvector to use; unset: the embedded one in the data folder"
    )
    db_pool_size: int = Field(default=20, ge=1, le=1000, description="connections that a server keeps at most")
    db_max_overflow: int = Field(default=10, ge=0, le=1000, description="connections beyond the pool's size under load")
    db_deadline: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="seconds after which a transaction is given up, frozen server or not",
    )
    db_statement_timeout: float = Field(
        default=30.0, gt=0, allow_inf_nan=False, description="seconds after which PostgreSQL cancels one statement"
    )
    log_level: LogLevel = Field(default="INFO", description="the least serious message that is logged")
    log_file: AbsolutePath | None = Field(
        default=None, description="where to log, each process under its own number; unset: the data folder's logs/"
    )
    log_json: bool = Field(default=False, description="log JSON lines instead of text")
    plugins: CommaSeparated | None = Field(
        default=None, description="the only plugins to load, by distribution, comma-separated; unset: all; empty: none"
    )
    block: CommaSeparated = Field(default=(), description="plugins not to load, by distribution, comma-separated")
    isolated: CommaSeparated = Field(
        default=(),
        description="plugins to run in processes of their own, without the database, by distribution, comma-separated",
    )
    profile: str | None = Field(
        default=None, description="the named selection of tools to offer, such as lean; unset: all of them"
    )
    strict: bool = Field(default=False, description="refuse to start when any plugin fails to load")
    tool_deadline: float = Field(
        default=55.0,
        gt=0,
        allow_inf_nan=False,
        description="seconds after which a tool call is answered with an error, unless the tool declares longer",
    )
    import_deadline: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="seconds that a plugin's import may take, and its registration",
    )
    import_patience: float = Field(
        default=0.9,
        gt=0,
        allow_inf_nan=False,
        description="seconds of them that it may spend waiting, without computing or reading anything",
    )
    http_token: Annotated[SecretStr, AfterValidator(_unguessable)] | None = Field(
        default=None, description="the bearer token that HTTP clients must send, 16 characters or more"
    )
    http_hosts: CommaSeparated = Field(
        default=(), description="host names under which HTTP clients may reach the server, comma-separated"
    )
    embedded_grace: float = Field(
        default=30.0, ge=0, allow_inf_nan=False, description="seconds that the embedded database outlives its last user"
    )


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting as `packhorse config` shows it; `value` and `default` are text, secrets masked, or None."""

    name: str
    other_names: tuple[str, ...]
    plugin: str | None
    value: str | None
    source: str
    default: str | None
    description: str


class _Variables(PydanticBaseSettingsSource):
    """The values for one settings class, found among the variables."""

    def __init__(self, kind: type[VariableSettings], prefix: str, variables: Mapping[str, Variable]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.found = {
            field: variable
            for field in kind.model_fields
            if (variable := _find(kind, field, prefix, variables)) is not None
        }

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = self.found.get(field_name)
        return (None if variable is None else variable.value), field_name, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, variable in self.found.items():
            field = self.kind.model_fields[name]
            text, _, is_complex = self.get_field_value(field, name)
            try:
                values[name] = self.prepare_field_value(name, field, text, is_complex)
            except ValueError as error:
                raise ConfigurationError(
                    f"{variable.name} is {_shown(self.kind, name, text)}, which is not valid JSON: {error}.",
                    remedy=_remedy(field),
                ) from None
        return values


def _find(kind: type[VariableSettings], field: str, prefix: str, variables: Mapping[str, Variable]) -> Variable | None:
    for name in kind.variable_names(field, prefix):
        variable = variables.get(name)
        if variable is not None and (variable.value.strip() or field in kind.may_be_empty):
            return variable
    return None


def plugin_prefix(plugin: str) -> str:
    """Return the prefix of a plugin's variables, such as `PACKHORSE_TASKS_`."""
    return f"{PREFIX}{plugin.upper().replace('-', '_')}_"


def load_settings(variables: Mapping[str, Variable] | None = None) -> CoreSettings:
    """Read the core's settings from `variables`, by default those of the environment and the `.env` file.

    Raises:
        ConfigurationError: one sentence for each variable that is wrong.
    """
    return _load(CoreSettings, PREFIX, read_variables() if variables is None else variables)


def load_readable_settings() -> tuple[CoreSettings, list[SettingDescription]]:
    """Read the core's settings with the default in the place of each wrong one, to show them although they are wrong.

    Raises:
        ConfigurationError: the `.env` file cannot be read.
    """
    variables = read_variables()
    right = {name: variable for name, variable in variables.items() if _is_right({name: variable})}
    settings = _load(CoreSettings, PREFIX, right)
    return settings, describe(settings, {}, right)


def _is_right(variables: Mapping[str, Variable]) -> bool:
    try:
        _load(CoreSettings, PREFIX, variables)
    except ConfigurationError:
        return False
    return True


def load_plugin_settings(kind: type[P], plugin: str, variables: Mapping[str, Variable] | None = None) -> P:
    """Read a plugin's settings from the variables with its prefix.

    Raises:
        ConfigurationError: one sentence for each variable that is wrong.
    """
    return _load(kind, plugin_prefix(plugin), read_variables() if variables is None else variables)


def check_unknown(
    plugins: Mapping[str, type[PluginSettings] | None], variables: Mapping[str, Variable] | None = None
) -> None:
    """Refuse `PACKHORSE_` variables that neither the core nor a plugin reads.

    Args:
        plugins: every discovered plugin with its settings class; None when it is not loaded, so that its variables
            cannot be judged and are let through. A loaded plugin without settings is given as `PluginSettings`.
        variables: what to check, by default the environment and the `.env` file.

    Raises:
        ConfigurationError: naming each unknown variable and the nearest known name.
    """
    known = [name for field in CoreSettings.model_fields for name in CoreSettings.variable_names(field, PREFIX)]
    for plugin, kind in plugins.items():
        if kind is not None:
            prefix = plugin_prefix(plugin)
            known += [name for field in kind.model_fields for name in kind.variable_names(field, prefix)]
    opened = [plugin_prefix(plugin) for plugin, kind in plugins.items() if kind is None]
    check_names(known, opened, read_variables() if variables is None else variables)


def describe(
    core: CoreSettings, plugins: Mapping[str, PluginSettings], variables: Mapping[str, Variable] | None = None
) -> list[SettingDescription]:
    """Describe every setting of the core and of the given plugins, secrets masked, in the order of their definition."""
    variables = read_variables() if variables is None else variables
    described = _describe(core, PREFIX, None, variables)
    for plugin, settings in plugins.items():
        described += _describe(settings, plugin_prefix(plugin), plugin, variables)
    return described


def _describe(
    settings: VariableSettings, prefix: str, plugin: str | None, variables: Mapping[str, Variable]
) -> list[SettingDescription]:
    kind = type(settings)
    described = []
    for field, info in kind.model_fields.items():
        variable = _find(kind, field, prefix, variables)
        first, *others = kind.variable_names(field, prefix)
        default = info.get_default(call_default_factory=True, validated_data={})
        described.append(
            SettingDescription(
                name=first,
                other_names=tuple(others),
                plugin=plugin,
                value=_text(getattr(settings, field)),
                source="default" if variable is None else f"{variable.name} ({variable.source})",
                default=_text(default),
                description=info.description or "",
            )
        )
    return described


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return redact(secret) if "://" in secret and redact(secret) != secret else MASK
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _load(kind: type[B], prefix: str, variables: Mapping[str, Variable]) -> B:
    source = _Variables(kind, prefix, variables)
    values = source()
    try:
        settings = kind(**values)
    except ValidationError as error:
        raise ConfigurationError(
            " ".join(_sentence(kind, prefix, source.found, dict(detail)) for detail in error.errors()),
            remedy="`packhorse config` lists every setting and what it means.",
        ) from None
    for field in kind.model_fields:
        value = getattr(settings, field)
        if isinstance(value, SecretStr):
            protect(value.get_secret_value())
    return settings


def _sentence(kind: type[VariableSettings], prefix: str, found: Mapping[str, Variable], detail: dict[str, Any]) -> str:
    location = detail["loc"]
    field = str(location[0]) if location else ""
    problem = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
    problem = "it s" + problem.removeprefix("Input s") if problem.startswith("Input should") else problem
    if field not in kind.model_fields:
        return f"{prefix}*: {problem}."
    if field not in found:
        name = kind.variable_names(field, prefix)[0]
        return f"{name} is not set: {problem}; {kind.model_fields[field].description or 'it has no default'}."
    variable = found[field]
    place = "" if variable.source == "environment" else f" in {variable.source}"
    return f"{variable.name}{place} is {_shown(kind, field, variable.value)}: {problem}."


def _shown(kind: type[VariableSettings], field: str, text: str) -> str:
    secret = "Secret" in str(kind.model_fields[field].annotation)
    return "set to a secret" if secret else repr(redact(text)[:200])


def _remedy(field: FieldInfo) -> str:
    return f"It is {field.description}." if field.description else "`packhorse config` lists every setting."
