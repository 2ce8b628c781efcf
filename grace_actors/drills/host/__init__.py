"""Hosts the drill core in an actor: performs what it asks for, tells it what happened, keeps what came of it."""
