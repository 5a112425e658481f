"""Labeled files and other tables of posts: their rows, annotation by hand, estimates and reports."""
