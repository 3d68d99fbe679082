"""Condition types of a FloatingIP and their reasons."""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    ACCEPTED = "Accepted"
    ALLOCATED = "Allocated"
    READY = "Ready"
    SINGLE_HOLDER = "SingleHolder"
    DEGRADED = "Degraded"


class Reason(StrEnum):
    """One CamelCase word each; the message beside it is the sentence for people."""

    ACCEPTED = "Accepted"
    ACCEPTED_WITH_WARNINGS = "AcceptedWithWarnings"
    VIRTUAL_ROUTER_ID_IN_USE = "VirtualRouterIDInUse"
    ADDRESS_IN_USE = "AddressInUse"
    ADDRESS_IS_NODE_ADDRESS = "AddressIsNodeAddress"
    ADDRESS_IS_NOT_NODE_ADDRESS = "AddressIsNotNodeAddress"
    ADDRESS_IN_CLUSTER_RANGE = "AddressInClusterRange"
    SYNC_GROUP_MISMATCH = "SyncGroupMismatch"
    UNSUPPORTED_BY_AGENTS = "UnsupportedByAgents"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason
    PRIORITIES_EXHAUSTED = "PrioritiesExhausted"
    ALLOCATED = "Allocated"
    VIRTUAL_ROUTER_IDS_EXHAUSTED = "VirtualRouterIDsExhausted"
    NO_MATCHING_NODES = "NoMatchingNodes"
    HELD = "Held"
    HANDING_OVER = "HandingOver"
    NO_HOLDER = "NoHolder"
    HOLDER_UNKNOWN = "HolderUnknown"
    SUSPENDED = "Suspended"
    UNINSTALLED = "Uninstalled"
    DELETING = "Deleting"
    ONE_HOLDER = "OneHolder"
    TWO_HOLDERS = "TwoHolders"
    RIVAL_HEARD = "RivalHeard"
    AS_ASKED = "AsAsked"
    CHANGE_WAITS = "ChangeWaits"
    NO_BACKUP = "NoBackup"
    ROLLOUT_STOPPED = "RolloutStopped"
    NODE_FAULT = "NodeFault"
    NODE_UNKNOWN = "NodeUnknown"
    REAL_TIME_UNAVAILABLE = "RealTimeUnavailable"
    ADDRESS_CLAIMED = "AddressClaimed"
    ADDRESS_LOST = "AddressLost"
    LOOPED_BACK = "LoopedBack"
    WIRE_MISMATCH = "WireMismatch"
    PROBES_STALE = "ProbesStale"
    NOT_IN_DOCUMENT = "NotInDocument"
    OTHER_CLUSTER = "OtherCluster"
