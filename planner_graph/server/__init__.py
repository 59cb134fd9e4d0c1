"""Serves runs over HTTP: REST, live events and the dashboard. Needs the extra ``server``."""
