"""The game: units, scenarios, simulator, policies."""
