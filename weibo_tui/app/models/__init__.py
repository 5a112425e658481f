"""Manage base models and adapters."""
