"""Watch directories and publish what settles there to Hugging Face Hub repos."""

__version__ = "0.1.0"
