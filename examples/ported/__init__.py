"""Well-known PyTorch programs, as they read here: docs/from-pytorch.md says what was changed."""
