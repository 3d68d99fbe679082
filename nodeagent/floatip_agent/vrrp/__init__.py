"""VRRP as a sans-I/O core: bytes and times in, ordered actions and one deadline out.

No socket, clock, logger or thread: every method takes `now` (integer nanoseconds of the caller's monotonic clock). Words are
RFC 9568's; where RFC 3768 or 2338 (version 2) or keepalived differ, the line that obeys them says so.
"""
