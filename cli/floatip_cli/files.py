"""The files of a command line, read and checked."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from floatip_api.documents import Document, Fault, Unreadable, load, validate

UNUSABLE = 2
"""Exit status of unusable arguments or documents."""


def read(paths: Iterable[Path]) -> tuple[list[Document], list[Fault]]:
    """All documents of all files, and the faults of those that are floatip's."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            found = load(path)
        except Unreadable as error:
            faults.append(error.fault)
            continue
        documents += found
        faults += [fault for document in found if document.is_ours for fault in validate(document)]
    return documents, faults


def refuse(faults: Iterable[Fault]) -> int:
    """One line each on standard error; returns the exit status."""
    for fault in faults:
        print(fault, file=sys.stderr)
    return UNUSABLE
