"""The Textual face. Screens ask the workbench, on threads that are not theirs, and hear of it by messages."""
