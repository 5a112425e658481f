"""Fields and dialogs that several forms use."""
