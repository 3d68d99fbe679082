"""The keeper: everything of the node's agent that may be slow. One asyncio loop, one process, no netlink writes.

It turns the FloatingIPNode document into the engine's configuration, runs the probes and tells the world how the node is.
When it hangs or dies the engine goes on without it.
"""
