"""The server's instructions: what the core and each plugin say to an agent before it calls anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from loguru import logger

from packhorse.descriptions import hidden
from packhorse.isolation import PluginCrash

if TYPE_CHECKING:
    from collections.abc import Collection

    from packhorse.plugins import PluginHost

LONGEST_INSTRUCTIONS = 2_000  # characters; they are in the context of every conversation
ABOUT = (
    "Packhorse serves tools for a developer's code. Failures are answered with what to do next; "
    "packhorse://health tells what works and packhorse://plugins what is installed."
)


def offered(host: PluginHost) -> dict[str, str]:
    """Return what each loaded plugin says, on one line; nothing of one that fails or hides characters."""
    found = {}
    for name in host.loaded:
        if host.implements(name, "register_instructions"):
            try:
                texts = host.call_plugin(name, "register_instructions")
                found[name] = _visible(name, " ".join(" ".join(str(text).split()) for text in texts))
            except PluginCrash as crash:
                logger.opt(exception=crash.cause).error("register_instructions of {} failed: {}", name, crash)
    return found


def compose(host: PluginHost, withheld: Collection[str] = ()) -> str:
    """Return the core's sentence and each plugin's, shortened to its share.

    Args:
        host: the loaded host.
        withheld: the plugins that are not heard.
    """
    kept = {name: text for name, text in offered(host).items() if name not in withheld}
    room = LONGEST_INSTRUCTIONS - len(ABOUT) - len(kept)
    for left, (name, text) in zip(range(len(kept), 0, -1), sorted(kept.items(), key=_length), strict=True):
        share = room // left  # the short ones come first and leave what they do not need to the long ones
        part = text if len(text) <= share else shorten(text, share)
        if part != text:
            logger.warning("The instructions of {} are {} characters; {} are kept.", name, len(text), len(part))
        room -= len(part)
        kept[name] = part
    return " ".join([ABOUT, *(text for text in kept.values() if text)])


def _visible(plugin: str, text: str) -> str:
    found = hidden(text)
    if found:
        logger.error("The instructions of {} hide characters and are left out: {}", plugin, ", ".join(found))
    return "" if found else text


def _length(entry: tuple[str, str]) -> int:
    return len(entry[1])


def shorten(text: str, length: int) -> str:
    """Return as many whole sentences of `text` as `length` characters hold; of a longer first one, whole words."""
    head = text[: length + 1]
    ends = [found.end(1) for found in re.finditer(r"([.!?])(?=\s|$)", head) if found.end(1) <= length]
    return text[: ends[-1]] if ends else head.rsplit(" ", 1)[0].rstrip()[:length]
