"""What exists: agents, the rules that say which of them a campaign needs, and the marketing catalog."""
