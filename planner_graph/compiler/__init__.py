"""Plan to ``CompiledStateGraph``: state, nodes, wiring."""
