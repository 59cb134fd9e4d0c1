"""The bodies of agents, and how they are bound to names."""
