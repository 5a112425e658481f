"""The workbench: what a user does with models and posts. The command line and the app call only this package."""
