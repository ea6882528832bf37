"""The models that swarms agreed on: which there are, which is best, and how to take one along."""
