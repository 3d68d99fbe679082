"""What the command line decides for the keeper."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from floatip_api.names import DEFAULT_NAMESPACE


@dataclasses.dataclass(frozen=True, slots=True)
class KeeperOptions:
    """Exactly one of `node` (fed by the API) and `config` (static mode: a FloatingIPNode document in a file) is given.

    `metrics_address` is HOST:PORT, empty for none, None for the usual one: 127.0.0.1:9405 in static mode, else port 9405 of
    the address by which the node reaches the API server. `leave_timeout` is in seconds. `namespace` is floatip's own.
    """

    node: str | None = None
    config: Path | None = None
    state_dir: Path = Path("/var/lib/floatip")
    run_dir: Path = Path("/run/floatip")
    metrics_address: str | None = None
    leave_timeout: float = 5.0
    log_format: Literal["text", "json"] = "text"
    log_level: str = "info"
    namespace: str = DEFAULT_NAMESPACE
