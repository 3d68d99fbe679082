"""The `floatip` command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

_DESCRIPTION = "Floating IPs for bare-metal Kubernetes: manifests, the cluster and the wire."
_EXIT = (
    "Exit status: 0 done, 2 unusable arguments or documents (each fault with file, line and field on standard error)."
)
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_FILES = "YAML or JSON, several documents a file; what is not floatip's is passed over"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # Each command imports what it needs when it runs: --help is there at once.
    match options.command:
        case "validate":
            from floatip_cli import validate

            return validate.run(options.files)
        case "status":
            from floatip_cli import status

            return status.run(options.name)
        case "move":
            from floatip_cli import move

            return move.run(options.name, options.to, wait=0 if options.no_wait else options.timeout)
        case "forget":
            from floatip_cli import forget

            return forget.run(options.node, is_sure=options.yes)
        case "sniff":
            from floatip_cli import sniff

            return sniff.run(
                sniff.Options(
                    interfaces=tuple(options.interface),
                    capture=options.read,
                    count=options.count,
                    virtual_router_ids=frozenset(options.virtual_router_id),
                    output=options.output,
                    keys=dict(options.key),
                )
            )
        case _:
            from floatip_cli import render

            return render.run(options.files, options.node, options.node_labels)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="floatip", description=_DESCRIPTION, epilog=_EXIT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_manifests(commands)
    _add_cluster(commands)
    _add_sniff(commands)
    return parser


def _add_manifests(commands: _Commands) -> None:
    validate = commands.add_parser(
        "validate",
        help="check manifests by the API's own rules, offline",
        description="Check FloatingIP and FloatingIPNode manifests by the API's own rules, offline.",
        epilog=_EXIT,
    )
    render = commands.add_parser(
        "render",
        help="FloatingIP manifests to one node's FloatingIPNode, for `floatip-agent run --config`",
        description="Print what a node's agent is to run: FloatingIP manifests to that node's FloatingIPNode. Offline, nothing is "
        "allocated: each FloatingIP needs its virtualRouterID, and the entry that matches the node its priority.",
        epilog=_EXIT,
    )
    render.add_argument("--node", required=True, type=_node, metavar="NAME", help="the node to render for")
    render.add_argument(
        "--node-labels",
        type=_labels,
        default={},
        metavar="KEY=VALUE,...",
        help="the node's labels, for FloatingIPs that select nodes by labels",
    )
    for command in (validate, render):
        command.add_argument("files", nargs="+", type=Path, metavar="FILE", help=_FILES)


def _add_cluster(commands: _Commands) -> None:
    status = commands.add_parser("status", help="the cluster's floating IPs: who holds them, and what is wrong")
    status.add_argument("name", nargs="?", metavar="NAME", help="default: all")
    move = commands.add_parser(
        "move",
        help="a planned move to another node",
        description="Put a node first, and wait until it holds the floating IP. It stays first as long as the annotation "
        "floatip.dev/prefer-node stands.",
        epilog="Exit status: 0 the node holds it, 2 unusable arguments, 1 anything else.",
    )
    move.add_argument("name", metavar="NAME")
    move.add_argument("--to", required=True, type=_node, metavar="NODE", help="one of the nodes that take part")
    move.add_argument(
        "--timeout", type=_seconds, default=60, metavar="SECONDS", help="how long to wait; default: %(default)s"
    )
    move.add_argument("--no-wait", action="store_true", help="ask for it and return")
    forget = commands.add_parser(
        "forget",
        help="a human's word that a node is off",
        description="Say that a node is off: no floating IP waits for it to let go any more. Taken back when the node is heard.",
    )
    forget.add_argument("node", metavar="NODE")
    forget.add_argument("--yes", action="store_true", help="do not ask")


def _add_sniff(commands: _Commands) -> None:
    sniff = commands.add_parser(
        "sniff",
        help="VRRP on the wire, decoded live or from a capture file",
        description="Print a line for each VRRP packet: who advertises what, or what is wrong with it. Live it needs root.",
        epilog="Exit status: 0 done, 2 an unusable capture file or interface, 1 anything else.",
    )
    where = sniff.add_mutually_exclusive_group()
    where.add_argument(
        "-i",
        "--interface",
        action="append",
        default=[],
        metavar="NAME",
        help="may be given again; default: all that are there",
    )
    where.add_argument(
        "-r", "--read", type=Path, metavar="FILE", help="a capture file (pcap, pcapng) instead of the wire"
    )
    sniff.add_argument(
        "-c", "--count", type=_number(1), default=0, metavar="N", help="end after so many; default: never"
    )
    sniff.add_argument(
        "--virtual-router-id",
        type=_number(0, 255),
        action="append",
        default=[],
        metavar="ID",
        help="only this one; may be given again; default: all",
    )
    sniff.add_argument(
        "-o", "--output", choices=["text", "json"], default="text", help="json: an object a line, for programs"
    )
    sniff.add_argument(
        "--key",
        type=_key,
        action="append",
        default=[],
        metavar="ID=FILE",
        help="check the signatures of this key of HMACSHA256; the file holds what the Secret holds; may be given again",
    )


def _node(text: str) -> str:
    if len(text) > 253 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a node's name: lower-case letters, digits, '-' and '.'")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number of seconds above 0, at most 86400")
    return seconds


def _number(least: int, most: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            upper = "" if most is None else f" to {most}"
            raise argparse.ArgumentTypeError(f"{text!r}: must be a number from {least}{upper}")
        return int(text)

    return number


def _key(text: str) -> tuple[int, bytes]:
    from floatip_agent.keeper.credentials import hmac_key

    key_id, equals, file = text.partition("=")
    if not equals or not key_id.isdecimal() or int(key_id) > 255:
        raise argparse.ArgumentTypeError(f"{text!r}: must be ID=FILE, with an ID from 0 to 255")
    try:
        return int(key_id), hmac_key(Path(file).read_text().rstrip("\r\n"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{file}: {error}") from error


def _labels(text: str) -> dict[str, str]:
    labels = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise argparse.ArgumentTypeError(f"{part!r}: must be KEY=VALUE")
        labels[key.strip()] = value.strip()
    return labels


if __name__ == "__main__":
    sys.exit(main())
