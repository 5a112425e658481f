"""Score cards and comparisons as files for publication."""
