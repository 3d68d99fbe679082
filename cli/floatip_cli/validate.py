"""`floatip validate FILE...`"""

from __future__ import annotations

import sys
from pathlib import Path

from floatip_api.documents import warnings

from floatip_cli import files


def run(paths: list[Path]) -> int:
    documents, faults = files.read(paths)
    if faults:
        return files.refuse(faults)
    for document in documents:
        place = f"{document.file}:{document.line}"
        if document.is_ours:
            print(f"{place}: {document.kind} {document.content['metadata']['name']} is valid")
            for warning in warnings(document):
                print(warning, file=sys.stderr)
        else:
            print(f"{place}: {document.kind} is not floatip's: not checked", file=sys.stderr)
    return 0
