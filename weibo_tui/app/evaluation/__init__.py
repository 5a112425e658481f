"""Evaluate an adapter and look at its errors."""
