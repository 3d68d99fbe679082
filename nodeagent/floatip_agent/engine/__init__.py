"""The engine: runs this node's virtual routers on the node's interfaces.

`binding` finds where a router lives (pure), `router` is one router with its counters and faults, `engine` executes the core's actions
in order, `control` speaks to the keeper, `loop` is the one place that waits. No asyncio, no files, no Kubernetes.
"""
