"""The main screen for labeled files and other tables of posts."""
