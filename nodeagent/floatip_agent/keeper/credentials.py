"""The Secrets of one virtual router: which its entry names, and how their text becomes part of what the engine gets. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from floatip_api import v1alpha1

from floatip_agent.configuration import RouterConfiguration
from floatip_agent.vrrp.authentication import LONGEST_KEY, SHORTEST_KEY

HEXADECIMAL = "hex:"
"""Before a key that is not text."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class SecretName:
    """One key of a Secret in floatip's namespace."""

    name: str
    key: str


def named(router: v1alpha1.VirtualRouter) -> tuple[SecretName, ...]:
    """In the order in which `fill` takes their texts."""
    authentication = router.vrrp.authentication
    if authentication is None:
        return ()
    if authentication.secret_ref is not None:
        return (SecretName(authentication.secret_ref.name, authentication.secret_ref.key),)
    return tuple(SecretName(key.secret_ref.name, key.secret_ref.key) for key in authentication.keys or ())


def fill(configuration: RouterConfiguration, names: Sequence[SecretName], texts: Sequence[str]) -> RouterConfiguration:
    """The configuration with its password or its keys. Raises ValueError naming the Secret, never quoting it."""
    if not configuration.hmac_keys:
        return dataclasses.replace(configuration, password=texts[0]) if texts else configuration
    keys = tuple(
        (key_id, _key(name, text))
        for (key_id, _), name, text in zip(configuration.hmac_keys, names, texts, strict=True)
    )
    return dataclasses.replace(configuration, hmac_keys=keys)


def known(
    names: Sequence[SecretName], wanted: RouterConfiguration, running: RouterConfiguration
) -> dict[SecretName, str]:
    """What a configuration that runs already says of the Secrets that `wanted` needs."""
    if not wanted.hmac_keys:
        return {name: running.password for name in names if running.password is not None}
    keys = dict(running.hmac_keys)
    pairs = zip(names, wanted.hmac_keys, strict=True)
    return {name: HEXADECIMAL + keys[key_id] for name, (key_id, _) in pairs if keys.get(key_id)}


def hmac_key(text: str) -> bytes:
    """The key that a Secret's text means. Raises ValueError, never quoting it."""
    try:
        key = bytes.fromhex(text.removeprefix(HEXADECIMAL)) if text.startswith(HEXADECIMAL) else text.encode()
    except ValueError as error:
        raise ValueError(f"no hexadecimal digits after {HEXADECIMAL}") from error
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ValueError(f"{len(key)} bytes: an HMAC key has {SHORTEST_KEY} to {LONGEST_KEY}")
    return key


def _key(name: SecretName, text: str) -> str:
    """In hexadecimal."""
    try:
        return hmac_key(text).hex()
    except ValueError as error:
        raise ValueError(f"Secret {name.name}, key {name.key}: {error}") from error
