"""`floatip sniff`: VRRP on the wire, decoded live or from a capture file."""

from __future__ import annotations

import dataclasses
import errno
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from floatip_cli import frames, seen

DONE, FAILED, UNUSABLE = 0, 1, 2


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """`count` 0: until interrupted or the file's end; no `virtual_router_ids`: all."""

    interfaces: tuple[str, ...] = ()
    capture: Path | None = None
    count: int = 0
    virtual_router_ids: frozenset[int] = frozenset()
    output: Literal["text", "json"] = "text"
    keys: Mapping[int, bytes] = dataclasses.field(default_factory=dict)
    """By ID: signatures are checked with them."""


def run(options: Options) -> int:
    try:
        import scapy.layers.inet6
        import scapy.layers.l2  # noqa: F401
    except ImportError:
        return _say("floatip sniff needs scapy: pip install 'floatip[sniff]'", FAILED)
    present = frames.interfaces()
    if missing := [name for name in options.interfaces if name not in present]:
        return _say(f"{missing[0]}: no such interface; there are: {', '.join(present)}", UNUSABLE)
    try:
        _show(_source(options), options)
    except frames.BadCapture as error:
        return _say(f"{options.capture}: {error}", UNUSABLE)
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        hint = ": listening needs root, or CAP_NET_RAW" if error.errno == errno.EPERM else ""
        return _say(f"{error.filename}: {error.strerror}{hint}", UNUSABLE if options.capture else FAILED)
    except KeyboardInterrupt:
        return DONE
    return DONE


def _source(options: Options) -> Iterator[Any]:
    if options.capture is not None:
        return frames.captured(options.capture)
    return frames.live(options.interfaces or frames.interfaces())


def _show(source: Iterator[Any], options: Options) -> None:
    shown = 0
    for frame in source:
        found = seen.read(frame, options.keys)
        if found is None or (options.virtual_router_ids and found.virtual_router_id not in options.virtual_router_ids):
            continue
        print(found.to_json() if options.output == "json" else found.to_text(), flush=True)
        shown += 1
        if shown == options.count:
            return


def _say(text: str, status: int) -> int:
    sys.stderr.write(f"{text}\n")
    return status
