"""Decisions of the operator, pure: a `Snapshot` of the cluster in, the next step out.

Nothing here waits, reads a clock or talks to the API. Each call returns only what is safe to do *now*; what must be confirmed by a node
first comes in a later call, made from a later snapshot.
"""
