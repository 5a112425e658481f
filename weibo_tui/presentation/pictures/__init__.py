"""Pictures of score cards and comparisons as SVG, and as PNG."""
