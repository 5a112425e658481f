"""The package version, in its own module so that importing it does not import the package."""

__version__ = "0.1.0"
