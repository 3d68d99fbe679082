"""`python -m floatip_api.generate [--check]`: the CRDs, what the chart has of them, and the API reference."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from floatip_api import definitions, reference

ROOT = Path(__file__).resolve().parents[2]
_HEAD = "# Generated from crds/floatip_api by `make generate`. Do not edit.\n"


def files() -> dict[Path, str]:
    """Every generated file of the repository and what must stand in it."""
    made = {"floatingips.yaml": definitions.floating_ips(), "floatingipnodes.yaml": definitions.floating_ip_nodes()}
    texts = {name: _HEAD + yaml.safe_dump(entry, sort_keys=False, width=140) for name, entry in made.items()}
    found = {ROOT / "crds" / name: text for name, text in texts.items()}
    found |= {ROOT / "charts" / "floatip" / "files" / name: text for name, text in texts.items()}
    policy = _HEAD + yaml.safe_dump_all(definitions.warning_policy(), sort_keys=False, width=140)
    found[ROOT / "charts" / "floatip" / "templates" / "warnings.yaml"] = policy
    found[ROOT / "docs" / "reference.md"] = reference.page(list(made.values()))
    return found


def main(arguments: list[str]) -> int:
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `make generate`\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path])
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
