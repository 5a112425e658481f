"""Bases and adapters kept as files: cards, fingerprints, checkpoints, import and export."""
