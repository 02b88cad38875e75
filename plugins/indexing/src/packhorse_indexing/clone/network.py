"""Where a host name leads: to machines on the internet, or to some behind our back."""

from __future__ import annotations

import ipaddress
import socket
import urllib.request
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from packhorse_indexing.clone.address import Address


def public_addresses(address: Address, *, allow_private: bool) -> list[str]:
    """Resolve a host and return the addresses to connect to, for git to use these and no later answer.

    Empty where a proxy connects for us: it is the proxy that resolves.

    Raises:
        InvalidInputError: one of them is private, of this machine or otherwise not on the internet.
        UnavailableError: the name cannot be resolved.
    """
    if urllib.request.getproxies().get("https") and not urllib.request.proxy_bypass(address.host):
        return []
    try:
        answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnavailableError(
            f"The host {address.host} cannot be found ({error.strerror}).", remedy="Check its name and the network."
        ) from None
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    private = [one for one in found if not is_public(one)]
    if private and not allow_private:
        raise InvalidInputError(
            f"{address.host} leads to {private[0]}, which is not on the internet.",
            remedy="Set PACKHORSE_INDEXING_CLONE_PRIVATE=1 to clone from machines of your own network.",
        )
    return found


def is_public(text: str) -> bool:
    """Tell whether an IP address is one of the internet, also when it is written inside another."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return inner.is_global and found.ipv4_mapped is not None
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF).is_global
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
