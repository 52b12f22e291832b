"""The only modules that import Pillow: import them where pixels are needed, not at start-up."""
