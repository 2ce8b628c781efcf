"""Keeps the books: accounts in SQLite, sealed files, packed records."""
