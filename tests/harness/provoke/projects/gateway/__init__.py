"""Speaks with others: sockets, TLS, HTTP, asyncio."""
