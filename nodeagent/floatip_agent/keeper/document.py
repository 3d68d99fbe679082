"""From the FloatingIPNode document to what the engine runs: pure.

api.md, "Letting go is explicit": from the API only `release` lets a router go. A missing entry, an older document, a bad one
are never an order; what ran before runs on and is reported. In static mode an accepted file that lacks a router is an order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from floatip_api import names

from floatip_agent.configuration import Configuration, Family, Health, RouterConfiguration
from floatip_agent.keeper import credentials
from floatip_agent.keeper.credentials import SecretName
from floatip_agent.keeper.entry import Entry, Refused, read_entry
from floatip_agent.keeper.probe_state import ProbeSet

Origin = Literal["API", "File"]
RouterKey = tuple[str, Family]
Document = Mapping[str, Any]

NOT_IN_DOCUMENT = "NotInDocument"
OTHER_CLUSTER = "OtherCluster"


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """One virtual router that runs: its entry as it was written, and what the engine gets."""

    entry: Mapping[str, Any]
    configuration: RouterConfiguration
    probes: ProbeSet
    secrets: tuple[SecretName, ...] = ()

    @property
    def known_secrets(self) -> dict[SecretName, str]:
        """What its Secrets held when it was taken into force."""
        return credentials.known(self.secrets, self.configuration, self.configuration)


@dataclasses.dataclass(frozen=True, slots=True)
class Secrets:
    """What is known of the Secrets that the document names; `problems` says, by the Secret's name, why one is not.

    `read` are those that have been read: a key that they lack does not exist.
    """

    values: Mapping[SecretName, str] = dataclasses.field(default_factory=dict)
    problems: Mapping[str, str] = dataclasses.field(default_factory=dict)
    read: frozenset[str] = frozenset()

    def is_missing(self, secret: SecretName) -> bool:
        """It was looked for, in vain: one that was not read yet is not missing."""
        return secret not in self.values and (secret.name in self.problems or secret.name in self.read)

    def problem(self, secret: SecretName) -> str:
        if secret.name in self.problems:
            return f"Secret {secret.name} {self.problems[secret.name]}"
        if secret.name in self.read:
            return f"Secret {secret.name} has no key {secret.key}"
        return f"Secret {secret.name} has not been read yet"


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """What is in force. `generation` and `uid` are the document's; 0 and "" in static mode.

    `refused` says why entries do not run as they are written (an earlier form may run on), `missing` are routers that run
    although the document does not list them. `rewound_to` is the generation of an older document that is not followed.
    """

    routers: Mapping[RouterKey, Running] = dataclasses.field(default_factory=dict)
    refused: Mapping[RouterKey, str] = dataclasses.field(default_factory=dict)
    without_secret: frozenset[RouterKey] = frozenset()
    """Those of the refused that lack nothing but a Secret."""
    releases: Mapping[RouterKey, str] = dataclasses.field(default_factory=dict)
    """requestIDs of entries that are to go and have nothing that runs."""
    unreadable: tuple[str, ...] = ()
    """Entries without a usable name and family."""
    missing: frozenset[RouterKey] = frozenset()
    of_other_clusters: Mapping[RouterKey, str] = dataclasses.field(default_factory=dict)
    """Those of the missing that another cluster ordered, with its UID: the disk was its node's."""
    ignored_fields: tuple[str, ...] = ()
    secrets: frozenset[SecretName] = frozenset()
    generation: int = 0
    uid: str = ""
    cluster_uid: str = ""
    """"" as long as no operator has said it."""
    rewound_to: int | None = None

    def configuration(self, health: Mapping[str, Health]) -> Configuration:
        return Configuration(
            routers=tuple(running.configuration for running in self.routers.values()),
            health=dict(health),
            generation=self.generation,
            uid=self.uid,
            cluster_uid=self.cluster_uid,
        )

    def why_missing(self, key: RouterKey) -> tuple[str, str]:
        """In one word and in a sentence, of one that is missing."""
        kept = "the document does not list it; only a release lets it go, so it is served on"
        if key in self.of_other_clusters:
            return OTHER_CLUSTER, f"it comes from another cluster, {self.of_other_clusters[key]}: {kept}"
        return NOT_IN_DOCUMENT, kept

    def probe_sets(self) -> dict[str, ProbeSet]:
        """By FloatingIP: probes run once, not once per family. The first entry of the document says where."""
        sets: dict[str, ProbeSet] = {}
        for (name, _), running in self.routers.items():
            if running.probes.probes and running.configuration.release is None:
                sets.setdefault(name, running.probes)
        return sets


def accept(document: Document, origin: Origin, secrets: Secrets, previous: Accepted | None) -> Accepted:
    """What is in force after this document."""
    before = previous or Accepted()
    metadata = document.get("metadata") or {}
    uid = str(metadata.get("uid", "")) if origin == "API" else ""
    generation = int(metadata.get("generation", 0)) if origin == "API" else 0
    entries = (document.get("spec") or {}).get("virtualRouters") or []
    if origin == "API" and _is_rewound(uid, generation, before) and not _is_in_force(entries, before):
        return dataclasses.replace(before, rewound_to=generation)
    reading = _Reading(origin, secrets, before)
    for index, entry in enumerate(entries):
        reading.take(index, entry)
    missing = reading.keep_missing() if origin == "API" else frozenset()
    cluster = cluster_of(metadata) or (before.cluster_uid if uid == before.uid else "")
    return Accepted(
        routers=reading.routers,
        refused=reading.refused,
        without_secret=frozenset(reading.without_secret),
        releases=reading.releases,
        unreadable=tuple(reading.unreadable),
        missing=missing,
        of_other_clusters=_of_other_clusters(missing, cluster, before),
        ignored_fields=tuple(reading.ignored_fields),
        secrets=frozenset(reading.secrets),
        generation=generation,
        uid=uid,
        cluster_uid=cluster,
    )


def cluster_of(metadata: Mapping[str, Any]) -> str:
    """Of a document of the API; \"\" of one that an older operator wrote."""
    return str((metadata.get("annotations") or {}).get(names.CLUSTER, ""))


def _of_other_clusters(missing: frozenset[RouterKey], cluster: str, before: Accepted) -> dict[RouterKey, str]:
    """Only where both clusters are known by their UIDs."""
    ordered_by = {key: before.of_other_clusters.get(key, before.cluster_uid) for key in missing}
    return {key: other for key, other in ordered_by.items() if other and cluster and other != cluster}


def without_document(previous: Accepted) -> Accepted:
    """The object is gone from the API (404, deleted, CRD deleted): nothing of that is an order."""
    missing = frozenset(key for key, running in previous.routers.items() if running.configuration.release is None)
    return dataclasses.replace(previous, missing=missing)


def _is_rewound(uid: str, generation: int, before: Accepted) -> bool:
    """An older document of the same object comes from a store restored from a backup. What is written to it afterwards
    (a generation above the restored one) comes from a living operator and counts again."""
    if uid != before.uid or generation >= before.generation:
        return False
    return before.rewound_to is None or generation <= before.rewound_to


def _is_in_force(entries: Sequence[Any], before: Accepted) -> bool:
    """They are what runs, all of it and as written: an older document that says the same can be followed."""
    running = [running.entry for running in before.routers.values()]
    return len(entries) == len(running) and all(entry in running for entry in entries)


class _Reading:
    """One pass over the entries of a document."""

    def __init__(self, origin: Origin, secrets: Secrets, before: Accepted) -> None:
        self._origin = origin
        self._secrets = secrets
        self._before = before
        self._listed: set[RouterKey] = set()
        self.routers: dict[RouterKey, Running] = {}
        self.refused: dict[RouterKey, str] = {}
        self.without_secret: set[RouterKey] = set()
        self.releases: dict[RouterKey, str] = {}
        self.unreadable: list[str] = []
        self.ignored_fields: list[str] = []
        self.secrets: set[SecretName] = set()

    def take(self, index: int, entry: Any) -> None:
        where = f"spec.virtualRouters[{index}]"
        read = read_entry(entry, where)
        if isinstance(read, Refused) and read.key is None:
            self.unreadable.append(read.reason)
            return
        assert read.key is not None
        if read.key in self._listed:
            self.refused[read.key] = f"{where}: {read.key[0]}/{read.key[1]} is listed twice; the first entry counts"
            return
        self._listed.add(read.key)
        self.ignored_fields += read.ignored_fields
        running = self._run(read, entry) if isinstance(read, Entry) else read.reason
        if isinstance(running, Running):
            self.routers[read.key] = running
        else:
            self._refuse(read.key, running, read)

    def _run(self, read: Entry, written: Mapping[str, Any]) -> Running | str:
        """What runs, or why not."""
        self.secrets.update(read.secrets)
        texts = [self._text(read, secret) for secret in read.secrets]
        for secret, text in zip(read.secrets, texts, strict=True):
            if text is None:
                if self._secrets.is_missing(secret):
                    self.without_secret.add(read.configuration.key)
                return self._secrets.problem(secret)
        known = [text for text in texts if text is not None]
        try:
            configuration = credentials.fill(read.configuration, read.secrets, known)
        except ValueError as error:
            return str(error)
        return Running(written, configuration, read.probes, read.secrets)

    def _text(self, read: Entry, secret: SecretName) -> str | None:
        """The Secret's word, or, while it cannot be read, the one that was in force before."""
        if secret in self._secrets.values:
            return self._secrets.values[secret]
        before = self._before.routers.get(read.configuration.key)
        return before.known_secrets.get(secret) if before else None

    def _refuse(self, key: RouterKey, reason: str, read: Entry | Refused) -> None:
        """What ran before runs on; but an order to let go or to hand over is one also when the rest of its entry is not understood."""
        self.refused[key] = reason
        running = self._before.routers.get(key)
        if running is not None:
            configuration = dataclasses.replace(running.configuration, leave=read.leave, release=read.release)
            self.routers[key] = dataclasses.replace(running, configuration=configuration)
            self.secrets.update(running.secrets)
        elif read.release is not None:
            self.releases[key] = read.release

    def keep_missing(self) -> frozenset[RouterKey]:
        """Routers that run on without an entry, all but those that were told to let go."""
        missing = set()
        for key, running in self._before.routers.items():
            if key in self._listed or running.configuration.release is not None:
                continue
            missing.add(key)
            self.routers[key] = running
            self.secrets.update(running.secrets)
        return frozenset(missing)


def save(accepted: Accepted, origin: Origin, name: str) -> dict[str, Any]:
    """The document in force, for `node.json`: the entries that run, as they were written. No secrets."""
    metadata = {"name": name, "uid": accepted.uid, "generation": accepted.generation}
    others = sorted([*key, uid] for key, uid in accepted.of_other_clusters.items())
    return {
        "origin": origin,
        "document": {
            "apiVersion": "floatip.dev/v1alpha1",
            "kind": "FloatingIPNode",
            "metadata": metadata,
            "spec": {"virtualRouters": [running.entry for running in accepted.routers.values()]},
        },
        "missing": sorted([name, family] for name, family in accepted.missing),
        "rewoundTo": accepted.rewound_to,
        **({"ofOtherClusters": others} if others else {}),
    }


def restore(saved: Mapping[str, Any], engine: Configuration | None) -> Accepted:
    """What `save` saved, with the passwords, keys and cluster of `engine.json`. Raises KeyError, TypeError, ValueError when it is none."""
    document = saved["document"]
    configured = {router.key: router for router in engine.routers} if engine else {}
    known: dict[SecretName, str] = {}
    for entry in document["spec"]["virtualRouters"]:
        read = read_entry(entry, "")
        if isinstance(read, Entry) and (running := configured.get(read.configuration.key)):
            known |= credentials.known(read.secrets, read.configuration, running)
    accepted = accept(document, "API", Secrets(known), None)
    missing = frozenset((str(name), family) for name, family in saved["missing"])
    others = {(str(name), family): str(uid) for name, family, uid in saved.get("ofOtherClusters", [])}
    rewound_to = saved["rewoundTo"]
    return dataclasses.replace(
        accepted,
        missing=missing,
        of_other_clusters=others,
        cluster_uid=engine.cluster_uid if engine and engine.uid == accepted.uid else "",
        rewound_to=None if rewound_to is None else int(rewound_to),
    )
