"""Edit pictures by the thousand through a paid image-edit service."""

__version__ = "0.1.0"
