"""Runs in PostgreSQL: which database, its tables, and all queries."""
