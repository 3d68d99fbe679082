"""The `floatip-agent` command. Each subcommand imports only what its process needs: the engine stays small."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from floatip_api import names


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 unusable arguments or documents, 1 anything else."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "run":
            return _guard(options, with_keeper=True)
        case "engine":
            return _guard(options, with_keeper=False)
        case "keeper":
            return _keeper(options)
        case _:
            from floatip_agent.keeper import show

            return show.main(options.run_dir, options.output)


def _guard(options: argparse.Namespace, *, with_keeper: bool) -> int:
    from floatip_agent.guard import Guard, GuardOptions

    keeper = [sys.executable, "-P", "-m", "floatip_agent", "keeper", *_keeper_arguments(options)] if with_keeper else []
    return Guard(GuardOptions(options.state_dir, options.run_dir, options.leave_timeout, keeper)).run()


def _keeper_arguments(options: argparse.Namespace) -> list[str]:
    source = ["--config", str(options.config)] if options.config else ["--node", options.node]
    metrics = [] if options.metrics_address is None else ["--metrics-address", options.metrics_address]
    return [
        *source,
        *metrics,
        *("--state-dir", str(options.state_dir)),
        *("--run-dir", str(options.run_dir)),
        *("--leave-timeout", str(options.leave_timeout)),
        *("--namespace", options.namespace),
        *("--log-format", options.log_format),
        *("--log-level", options.log_level),
    ]


def _keeper(options: argparse.Namespace) -> int:
    from floatip_agent.keeper import process

    return process.main(
        process.KeeperOptions(
            node=options.node,
            config=options.config,
            state_dir=options.state_dir,
            run_dir=options.run_dir,
            metrics_address=options.metrics_address,
            leave_timeout=options.leave_timeout,
            namespace=options.namespace,
            log_format=options.log_format,
            log_level=options.log_level,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="floatip-agent", description="The floatip agent of one node.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="guard, engine and keeper in one place (systemd, static mode)")
    engine = commands.add_parser("engine", help="guard and engine: the first container of the pod")
    keeper = commands.add_parser("keeper", help="everything slow: the second container of the pod")
    status = commands.add_parser("status", help="what this node's agent does now")
    for command in (run, keeper):
        _add_source(command)
    for command in (run, engine, keeper):
        command.add_argument("--state-dir", type=Path, default=Path("/var/lib/floatip"), help="default: %(default)s")
        command.add_argument(
            "--leave-timeout", type=_seconds, default=5.0, metavar="SECONDS", help="at SIGTERM; default: %(default)s"
        )
    for command in (run, engine, keeper, status):
        command.add_argument("--run-dir", type=Path, default=Path("/run/floatip"), help="default: %(default)s")
    status.add_argument("-o", "--output", choices=["table", "json"], default="table")
    return parser


def _seconds(text: str) -> float:
    if not 0 <= (seconds := float(text)) < math.inf:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"  # for argparse's message


def _add_source(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--node", metavar="NAME", help="fed by the Kubernetes API: the node's name")
    source.add_argument("--config", type=Path, metavar="FILE", help="static mode: a FloatingIPNode document")
    command.add_argument(
        "--namespace", default=names.DEFAULT_NAMESPACE, help="floatip's namespace; default: %(default)s"
    )
    command.add_argument(
        "--metrics-address",
        metavar="HOST:PORT",
        help='default: 127.0.0.1:9405 with --config, port 9405 of the node with --node; "" switches it off',
    )
    command.add_argument("--log-format", choices=["text", "json"], default="text")
    command.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")


if __name__ == "__main__":
    sys.exit(main())
