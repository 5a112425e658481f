"""Read and change the settings."""
