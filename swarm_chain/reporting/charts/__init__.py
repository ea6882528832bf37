"""The drawings of a page."""
