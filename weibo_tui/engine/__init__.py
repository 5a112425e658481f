"""Tensors: the trunk, the adapters, training and reading. Knows no file layout, no database and no screen."""
