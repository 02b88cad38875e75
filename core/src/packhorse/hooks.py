"""The registry of hook implementations: pluggy, with misspelt hooks refused and one plugin callable by itself."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import pluggy
from loguru import logger

from packhorse import deprecations, hookspecs
from packhorse.errors import PackhorseError

if TYPE_CHECKING:
    from collections.abc import Mapping


class HookError(PackhorseError):
    """A plugin implements a hook that does not exist, or implements or declares one wrongly."""

    code = "hook"


class Hooks:
    """The hooks of the core and of the admitted plugins."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("packhorse")
        self._manager.add_hookspecs(hookspecs)
        self._declared: dict[str, str] = dict.fromkeys(self._names(hookspecs), "core")
        self._namespaces: list[Any] = [hookspecs]
        self._admitted: dict[str, pluggy.PluginManager] = {}
        """Each plugin in a manager of its own: pluggy would compare and hash the one while it calls the other."""

    def _names(self, namespace: object) -> list[str]:
        return [name for name in dir(namespace) if self._manager.parse_hookspec_opts(namespace, name) is not None]  # type: ignore[arg-type]  # pluggy wants a module or a class, and takes any object

    def declare(self, plugin: str, namespace: object) -> None:
        """Add the hooks that a plugin declares for others.

        Raises:
            HookError: there are none in `namespace`, or another plugin declares one of the same name.
        """
        names = self._names(namespace)
        if not names:
            raise HookError(
                f"What register_hookspecs of {plugin} returns has no functions marked with @hookspec.",
                remedy="Return the module or object whose functions are marked.",
            )
        for name in names:
            if name in self._declared:
                raise HookError(f"{plugin} declares the hook {name}, which {self._declared[name]} already declares.")
        self._manager.add_hookspecs(namespace)  # type: ignore[arg-type]  # see above
        self._namespaces.append(namespace)
        self._declared |= dict.fromkeys(names, plugin)

    def specifications_of(self, name: str, plugin: object) -> list[object]:
        """Return what a plugin's own `register_hookspecs` returns, before the plugin is admitted."""
        implementations = self._implementations(plugin)
        if "register_hookspecs" not in implementations:
            return []
        alone = pluggy.PluginManager("packhorse")
        alone.add_hookspecs(hookspecs)
        alone.register(plugin, name)
        return list(alone.hook.register_hookspecs())

    def _implementations(self, plugin: object) -> dict[str, bool]:
        """Return the hook names that the plugin's marked functions implement, and whether each is optional."""
        found = {}
        for attribute in dir(plugin):
            options = self._manager.parse_hookimpl_opts(plugin, attribute)
            if options is not None:
                found[options.get("specname") or attribute] = bool(options.get("optionalhook"))
        return found

    def admit(self, name: str, plugin: object) -> None:
        """Add a plugin's implementations.

        Raises:
            HookError: one of them implements no known hook, or with arguments that the hook does not have, or one is
                not marked, or there is none at all.
        """
        implementations = self._implementations(plugin)
        self._refuse_unmarked(plugin, implementations)
        for hook, optional in implementations.items():
            if hook not in self._declared and not optional:
                near = get_close_matches(hook, sorted(self._declared), n=1, cutoff=0.5)
                raise HookError(
                    f"{hook} is marked as a hook implementation, but there is no such hook.",
                    remedy=f"Did its author mean {near[0]}?"
                    if near
                    else "Its author may mark it with @hookimpl(optionalhook=True) if another plugin declares it.",
                )
        alone = pluggy.PluginManager("packhorse")
        for namespace in self._namespaces:
            alone.add_hookspecs(namespace)
        try:
            alone.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise HookError(self._mismatch(plugin) or " ".join(str(error).split())) from error
        self._admitted[name] = alone
        for one in deprecations.of(implementations):
            logger.warning("The plugin {} should change: {}", name, one)

    def _refuse_unmarked(self, plugin: object, implementations: Mapping[str, bool]) -> None:
        here = getattr(plugin, "__name__", type(plugin).__module__)
        for hook in self._declared.keys() - implementations.keys():
            function = inspect.getattr_static(plugin, hook, None)
            if inspect.isfunction(function) and function.__module__ == here and self._declared[hook] == "core":
                raise HookError(
                    f"{hook} has the name of a hook, but is not marked as its implementation.",
                    remedy="Its author marks it with @hookimpl.",
                )
        if not implementations:
            raise HookError(
                "It implements no hook.",
                remedy="Its author corrects the entry point, or marks the hooks with @hookimpl.",
            )

    def _mismatch(self, plugin: object) -> str:
        for attribute in dir(plugin):
            options = self._manager.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                continue
            hook = getattr(self._manager.hook, options.get("specname") or attribute, None)
            if hook is None or hook.spec is None:
                continue
            given = [name for name in inspect.signature(getattr(plugin, attribute)).parameters if name != "self"]
            known = [*hook.spec.argnames, *hook.spec.kwargnames]
            wrong = [name for name in given if name not in known]
            if wrong:
                return (
                    f"{attribute} takes the argument {', '.join(wrong)}, "
                    f"but the hook has only: {', '.join(known) or 'none'}."
                )
        return ""

    def implemented_by(self, plugin: str, hook: str) -> bool:
        """Tell whether an admitted plugin implements a hook."""
        return bool(self._caller(hook, self._admitted[plugin]).get_hookimpls())

    def only_awaits(self, plugin: str, hook: str) -> bool:
        """Tell whether a call of a plugin's hook runs nothing of it until its results are awaited."""
        found = self._caller(hook, self._admitted[plugin]).get_hookimpls()
        return all(inspect.iscoroutinefunction(implementation.function) for implementation in found)

    def call(self, plugin: str, hook: str, arguments: dict[str, Any]) -> list[Any]:
        """Call one plugin's implementations of a hook and return their results that are not None.

        Whatever the plugin raises comes through.
        """
        caller = self._caller(hook, self._admitted[plugin])
        result = caller(**arguments)
        if caller.spec is not None and caller.spec.opts.get("firstresult"):
            return [] if result is None else [result]
        results = list(result)
        if self._declared[hook] == "core" and any(inspect.iscoroutine(one) for one in results):
            for one in results:
                one.close()
            raise HookError(f"{hook} is an async function; the host calls it as a plain one.")
        return results

    def _caller(self, hook: str, manager: pluggy.PluginManager) -> pluggy.HookCaller:
        if hook not in self._declared:
            near = get_close_matches(hook, sorted(self._declared), n=1, cutoff=0.5)
            raise HookError(f"There is no hook {hook}.", remedy=f"Did you mean {near[0]}?" if near else "")
        caller: pluggy.HookCaller = getattr(manager.hook, hook)
        return caller
