"""Classify posts and label files."""
