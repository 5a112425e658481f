"""The Textual app. Screens call the workbench in worker threads and get messages from jobs."""
