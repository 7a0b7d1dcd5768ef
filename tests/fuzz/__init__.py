"""Requests and files that nobody would write: each is answered, or refused in one line."""
