"""Browse, filter, edit and export past predictions."""
