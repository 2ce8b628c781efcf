"""Reads what others send: tables, settings, archives, pages, letters."""
