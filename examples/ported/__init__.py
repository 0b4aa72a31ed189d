"""Well-known PyTorch programs, as they read here: docs/from-pytorch.md says what was changed.

Each module has `run(steps, wrap)`, which trains for so many steps and returns what each one lost
(`reinforce`: how long the episodes were). The step goes through `wrap`, as in wrap=wg.compile:

    cd examples
    python -c "import wgrad as wg; from ported import nanogpt; print(nanogpt.run(20, wg.compile))"
"""
