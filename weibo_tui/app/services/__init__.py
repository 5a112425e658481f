"""Worker threads, jobs and the catalog of models."""
