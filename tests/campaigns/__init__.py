"""Random campaigns: thousands of seeded programs, each compared with what is right.

A module here is a campaign. It has a docstring, whose first line says what is tried, and

    def attempt(rng: np.random.Generator, device: Device) -> str | None

which makes one program from `rng`, tries it, and returns what went wrong, in words that are enough
to find it; None where all is well. An exception that escapes is a difference too.

    python tests/campaigns                                 # lists them
    python tests/campaigns eager --count 20000 --device webgpu
    python tests/campaigns eager --seed 3 --only 1234      # one program again

Program number i of a seed is the same in every run. A short share of each runs in the suite
(tests/test_campaigns.py).
"""
