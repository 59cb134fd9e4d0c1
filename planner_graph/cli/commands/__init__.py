"""The commands, one to a module; each module holds a Typer called ``app`` and is imported when its command is used."""
