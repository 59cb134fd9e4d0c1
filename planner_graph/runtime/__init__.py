"""Runs plans and keeps them going."""
