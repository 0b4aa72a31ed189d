"""WGSL computed with NumPy: the checked text is compiled to functions of arrays, run under masks.

    functions.py   a function as one of arrays: `Twin`
    kernels.py     a compute shader over buffers: `run_kernel`
    modules.py     what a text has besides: private variables, overrides
    statements.py, expressions.py, calls.py, paths.py    from the tree to closures
    frames.py, masks.py, places.py, memory.py            what these work on at run time
    leaves.py, arithmetic.py, numeric.py, vectors.py     numbers, by WGSL's rules

The text may be anything that the type pass takes. NumPy's arithmetic is that of the machine, so
results agree with a GPU's to what WGSL promises, and exactly for integers.
"""
