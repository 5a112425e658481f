"""The terminal: driver, output, signals and typed keys."""
