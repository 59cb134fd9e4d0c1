"""Campaign and catalog to plan: pure, no LangGraph, no database."""
