"""Labeled files: their rows, annotation by hand, estimates and reports."""
