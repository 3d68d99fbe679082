"""What an engine left behind, taken out by whoever finds that nobody stands behind it."""

from __future__ import annotations

from floatip_agent.linux import addresses, netlink, routes, virtual_links


def sweep(requests: netlink.Requests) -> int:
    """The addresses, what led to them and the links that carried them. Returns how many addresses there were."""
    count = addresses.sweep(requests)
    routes.sweep(requests)
    virtual_links.sweep(requests)
    return count
