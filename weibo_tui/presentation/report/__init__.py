"""A report of a labeled file as one HTML file."""
