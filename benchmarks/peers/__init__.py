"""Peers: one module a library, ours among them; each solves problems with it, and no other does.

A peer is imported in the worker that runs it, so the environment of its case is set before.
"""
