"""Labelled files in, labelled files out."""
