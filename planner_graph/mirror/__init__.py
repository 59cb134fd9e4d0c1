"""Follows runs: events into tables."""
