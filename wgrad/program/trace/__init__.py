"""A function runs once, and what it does is written down."""
