"""The bundled base model and its adapters, with their model card and the recipe that made them."""
