"""SQLite storage: the history of predictions, the runs and their journals."""
