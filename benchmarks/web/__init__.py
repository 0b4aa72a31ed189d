"""Training steps in a page: what wgrad exports, and libraries of browsers."""
