"""What one run of the `packhorse` command needs, made when it is needed: settings, the log file, the plugin host."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from packhorse import terminal
from packhorse.errors import ConfigurationError, PackhorseError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from packhorse.logfile import LogFile
    from packhorse.plugins import PluginHost
    from packhorse.settings import CoreSettings, SettingDescription


class Program:
    """The state of one run; `stack` is left when it ends.

    `host` is None until `load`, and after it when the core's own settings are wrong, which `problem` then describes.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._settings: CoreSettings | None = None
        self.host: PluginHost | None = None
        self.problem: ConfigurationError | None = None
        self.log_file: LogFile | None = None

    def configure(self) -> CoreSettings | None:
        """Read the core's settings and begin to log; return None when the settings are wrong, see `problem`."""
        from packhorse.log import logging_to_file
        from packhorse.settings import load_settings

        if self._settings is None and self.problem is None:
            try:
                self._settings = load_settings()
            except ConfigurationError as error:
                self.problem = error
            else:
                self.log_file = self._stack.enter_context(logging_to_file(self._settings))
        return self._settings

    def load(self) -> None:
        """Configure, and load the plugins; whatever is wrong with one of them is in its record."""
        from packhorse.plugins import PluginHost

        settings = self.configure()
        if settings is not None:
            host = PluginHost(settings)
            host.load()
            self.host = host

    def loaded_host(self) -> PluginHost:
        """Return the host.

        Raises:
            ConfigurationError: the core's settings are wrong.
        """
        if self.host is None:
            raise self.problem or ConfigurationError("The plugins have not been loaded.")
        return self.host

    def described_settings(self) -> tuple[CoreSettings, list[SettingDescription]]:
        """Return the core's settings and what to show of all; a wrong one of the core has its default there.

        Raises:
            ConfigurationError: the settings cannot be read at all.
        """
        if self.host is not None:
            return self.host.core_settings, self.host.describe_settings()
        from packhorse.settings import load_readable_settings

        return load_readable_settings()

    def announce_log(self) -> None:
        """Say once, before the silence of a server begins, that nothing can be logged, if so."""
        self.configure()
        if self.log_file is None:
            return
        self.log_file.check()
        if self.log_file.problem is not None:
            terminal.print_warning(f"The log file {self.log_file.path} cannot be written: {self.log_file.problem}.")

    def defect(self, identity: str) -> PackhorseError:
        """Log the exception that is being handled and return what the user is told instead."""
        if self.log_file is None:
            return PackhorseError(f"Something unexpected went wrong before the log was open: {_what()}.")
        from loguru import logger

        logger.opt(exception=True).error("a command failed unexpectedly, id {}", identity)
        return PackhorseError(
            f"Something unexpected went wrong (id {identity}).", remedy=f"Its traceback is in {self.log_file.path}."
        )


def _what() -> str:
    error = sys.exception()
    return f"{type(error).__name__}: {error}"
