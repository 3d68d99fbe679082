"""The only room that knows netlink, raw sockets, frames and scheduling classes. No asyncio, no third-party imports."""
