"""Every rule of the RFCs that applies to a virtual router on Linux, in short, and what keepalived and FRR make of it.

A rule's ID is RFC, section and a name: tests carry it as `@pytest.mark.rule("9568-6.4.3-tie")`. What is said of keepalived and FRR names
where it comes from: a fact of `tests/peers`, measured on the running daemons (2.2 and 2.3; 8.4 and 10.3); LAB, measured once on
keepalived 2.2.7 and FRR 8.4.4; or CODE, read in their sources.
"""

from __future__ import annotations

import dataclasses

LAB = "measured once"
CODE = "read in the source"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """`here` is empty where floatip does what `text` says, else what it does instead and why. `source` is that of the two columns."""

    id: str
    text: str
    here: str
    keepalived: str
    frr: str
    source: str

    @property
    def section(self) -> str:
        rfc, section, _ = self.id.split("-", 2)
        return f"RFC {rfc} {section}"


SAME = "the same"

RULES = (
    # What is sent
    Rule("9568-5.1-ip-header", "Protocol 112, TTL or hop limit 255, to 224.0.0.18 or ff02::12", "", SAME, SAME, LAB),
    Rule(
        "9568-5.1-source",
        "The source is the interface's primary IPv4 address or its IPv6 link-local address",
        "",
        "the same; any other by mcast_src_ip",
        SAME,
        CODE,
    ),
    Rule(
        "9568-5.2-format",
        "Version 3: 8 bytes, then the addresses; all bytes as other routers send them",
        "",
        SAME,
        SAME,
        LAB,
    ),
    Rule(
        "9568-5.2.4-priority",
        "Priority: 255 owns the addresses, 1 to 254 backs up, 0 leaves",
        "",
        SAME,
        "1 to 254",
        CODE,
    ),
    Rule("9568-5.2.6-reserved", "rsvd is 0 when sent and ignored on receipt", "", SAME, SAME, "reserved-bits"),
    Rule(
        "9568-5.2.7-range",
        "Max Advertise Interval is 1 to 4095 centiseconds, the sender's own",
        "",
        SAME,
        "10 to 40950 ms",
        CODE,
    ),
    Rule(
        "9568-5.2.8-ipv4",
        "IPv4: the checksum is of the message alone",
        "sends with a pseudo-header unless ipv4Checksum says MessageOnly, because keepalived and FRR do; accepts both",
        "with pseudo-header; refuses the other unless v3_checksum_as_v2",
        "with pseudo-header; refuses the other unless told",
        "checksum-without-pseudo-header",
    ),
    Rule("9568-5.2.8-ipv6", "IPv6: the checksum has a pseudo-header", "", SAME, SAME, LAB),
    Rule(
        "9568-5.2.9-link-local",
        "The first IPv6 address is the virtual router's link-local one",
        "sends it so; a list that begins otherwise is accepted and told (erratum 8300 refuses it)",
        "checks only its own configuration",
        SAME,
        CODE,
    ),
    # Timers
    Rule(
        "9568-6.1-skew",
        "Skew_Time = (256 - Priority) * Active_Adver_Interval / 256",
        "",
        "in microseconds",
        "in whole centiseconds",
        LAB,
    ),
    Rule(
        "9568-6.1-down",
        "Active_Down_Interval = 3 * Active_Adver_Interval + Skew_Time",
        "",
        "the 3 can be set",
        SAME,
        LAB,
    ),
    Rule("9568-6.1-preempt", "Preempt_Mode: by default a higher priority takes over", "", SAME, SAME, LAB),
    Rule("9568-6.1-owner", "The owner preempts whatever Preempt_Mode says", "", SAME, "has no priority 255", CODE),
    Rule(
        "9568-6.1-accept",
        "Accept_Mode False: one that is no owner takes no packets to the addresses",
        "always takes them: a floating IP is there to be served",
        "takes them unless no_accept or strict",
        "always takes them",
        CODE,
    ),
    # States
    Rule("9568-6.4.1-backup", "Startup: Backup, with Active_Down_Interval of the own interval", "", SAME, SAME, LAB),
    Rule(
        "9568-6.4.1-owner",
        "Startup of the owner: Active at once",
        "in a sync group only when all members own theirs",
        SAME,
        "has none",
        LAB,
    ),
    Rule("9568-6.4.2-silent", "A Backup sends nothing and does not answer for the addresses", "", SAME, SAME, LAB),
    Rule("9568-6.4.2-shutdown", "Shutdown of a Backup: nothing is sent", "", SAME, SAME, CODE),
    Rule(
        "9568-6.4.2-timer",
        "Active_Down_Timer fires: advertisement, gratuitous ARP or unsolicited NA, Active",
        "the addresses are there before the advertisement goes; a sync group waits until all members are due",
        SAME,
        SAME,
        LAB,
    ),
    Rule(
        "9568-6.4.2-priority-zero",
        "Backup hears priority 0: Active_Down_Timer = Skew_Time",
        "",
        SAME,
        SAME,
        "test_priority_0_sets_the_timer_to_skew_time",
    ),
    Rule(
        "9568-6.4.2-heed",
        "Backup hears an equal or greater priority: timer reset",
        "",
        SAME,
        SAME,
        LAB,
    ),
    Rule(
        "9568-6.4.2-learn",
        "and Active_Adver_Interval is the sender's, Skew_Time and Active_Down_Interval made of it anew",
        "",
        SAME,
        SAME,
        "test_a_backup_learns_the_interval",
    ),
    Rule("9568-6.4.2-no-preempt", "Preempt_Mode False: a lower priority resets the timer too", "", SAME, SAME, LAB),
    Rule(
        "9568-6.4.2-lower",
        "Preempt_Mode True: a lower priority is discarded, the timer runs on",
        "preemption.delaySeconds heeds it until the delay is over, as keepalived's preempt_delay",
        SAME,
        SAME,
        LAB,
    ),
    Rule("9568-6.4.3-shutdown", "Shutdown of an Active: priority 0", "", "the same; twice in FAULT", SAME, LAB),
    Rule(
        "9568-6.4.3-timer",
        "Adver_Timer fires: advertisement, timer reset",
        "on a grid: lateness does not add up",
        SAME,
        SAME,
        LAB,
    ),
    Rule(
        "9568-6.4.3-priority-zero",
        "Active hears priority 0: advertisement at once, Adver_Timer reset",
        "",
        SAME,
        SAME,
        "test_an_active_answers_priority_0_at_once",
    ),
    Rule(
        "9568-6.4.3-greater",
        "Active hears a greater priority: Backup, without priority 0",
        "says one last advertisement, so that the winner announces itself again",
        "the same with higher_prio_send_advert",
        "yields at once",
        "higher-priority",
    ),
    Rule(
        "9568-6.4.3-tie",
        "Equal priorities: the greater primary address, unsigned, stays",
        "in a sync group the first member decides",
        SAME,
        SAME,
        "tie-higher-address",
    ),
    Rule(
        "9568-6.4.3-lower",
        "Active hears a lower one: discard it, and advertise at once",
        "at most twice an interval: a flood of losers must not make another",
        "each one, and 5 announcements",
        "only discards it (RFC 5798)",
        "test_a_losing_advertisement",
    ),
    Rule("9568-6.4-initialize", "Initialize takes no part", "", SAME, SAME, CODE),
    # What is received
    Rule(
        "9568-7.1-ttl",
        "Another TTL or hop limit than 255 is discarded",
        "a unicast peer's is not looked at: it may be behind a router",
        SAME,
        SAME,
        "ttl-254",
    ),
    Rule("9568-7.1-version", "Another version is discarded", "", SAME, SAME, "version-2-in-version-3"),
    Rule("9568-5.2.2-type", "Another type than 1 is discarded", "", SAME, SAME, "unknown-type"),
    Rule(
        "9568-7.1-complete",
        "A packet that is not complete is discarded",
        "exact length, without padding of the link",
        SAME,
        SAME,
        "cut-off",
    ),
    Rule("9568-7.1-checksum", "A wrong checksum is discarded", "", SAME, SAME, "wrong-checksum"),
    Rule(
        "9568-7.1-virtual-router-id",
        "A virtual router ID that is not configured on the interface is discarded",
        "a filter in the kernel drops it",
        SAME,
        SAME,
        CODE,
    ),
    Rule(
        "9568-5.2.5-count",
        "Count 0 is ignored (erratum 8299)",
        "",
        "2.2 ignores it, 2.3 heeds it",
        SAME,
        "no-addresses",
    ),
    Rule(
        "9568-5.2.7-zero",
        "Interval 0 is discarded (erratum 8301)",
        "",
        "takes it and is Active at once",
        "takes it and is Active at once",
        "test_interval_0",
    ),
    Rule("9568-7.1-interval", "Another interval is accepted and told", "", SAME, SAME, "another-interval"),
    Rule(
        "9568-7.1-addresses",
        "Another address list may be told, and is not dropped",
        "WireMismatch",
        "2.2 drops it, 2.3 accepts it",
        "accepts it",
        "another-address-list",
    ),
    Rule(
        "9568-7.1-no-effect",
        "What is discarded touches no timer and no state",
        "",
        "every packet of its router ID restarts the Adver_Timer: an Active falls silent",
        SAME,
        "test_an_active_under_bad_packets",
    ),
    # What a virtual router is to its link
    Rule(
        "9568-7.3-virtual-mac",
        "Advertisements and answers come from 00-00-5E-00-01-VRID or 00-00-5E-00-02-VRID",
        "with virtualMAC: Enabled; by default the interface's own, which switches and hypervisors let through",
        "with use_vmac",
        "always",
        LAB,
    ),
    Rule(
        "9568-8.1.2-gratuitous-arp",
        "Gratuitous ARP holds the virtual address as sender and target (erratum 7947), after the address is there",
        "",
        "the same, five and five",
        "one",
        LAB,
    ),
    Rule(
        "9568-8.2.2-neighbor-advertisement",
        "Unsolicited NA to ff02::1 for each address, override set",
        "",
        "router flag only where the node forwards",
        SAME,
        CODE,
    ),
    Rule(
        "9568-8.4-interoperation",
        "Version 2 and 3 on one link: advertise both",
        "one version a router; the API changes it in phases",
        "one version",
        "one version",
        CODE,
    ),
    # Version 2
    Rule(
        "3768-5.3-format",
        "Version 2: whole seconds, authentication type and 8 bytes at the end; all bytes as other routers send them",
        "",
        SAME,
        SAME,
        "version-2",
    ),
    Rule("3768-6.1-skew", "Skew_Time = (256 - Priority) / 256 s, whatever the interval", "", SAME, SAME, LAB),
    Rule("3768-6.1-own-interval", "Master_Down_Interval is made of the own interval", "", SAME, SAME, CODE),
    Rule(
        "3768-7.1-interval",
        "Another interval than the own is discarded",
        "and told: WireMismatch",
        SAME,
        SAME,
        "version-2-another-interval",
    ),
    Rule(
        "3768-7.1-addresses",
        "Another address list of one that is no owner is dropped",
        "accepted and told: a rolling change would make two Actives",
        "2.2 drops it, 2.3 accepts it",
        "accepts it",
        "version-2-another-address-list",
    ),
    Rule("2338-5.3.6-password", "Type 1: 8 bytes in plain text, padded with zeros", "", SAME, "has none", "password"),
    Rule(
        "2338-7.1-type", "Another authentication type than the own is discarded", "", SAME, SAME, "unexpected-password"
    ),
    Rule("2338-7.1-data", "Another password is discarded", "", SAME, "has none", "wrong-password"),
)
