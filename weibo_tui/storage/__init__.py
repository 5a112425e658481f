"""What is kept in SQLite: the history of analyses, the runs and their journals."""
