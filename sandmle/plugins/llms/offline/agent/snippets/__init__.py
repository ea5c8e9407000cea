"""Python that the scripted agent writes into its cells, each file read as text and run inside the sandbox.

A file defines functions and nothing else, so that each can be checked and tested as a module of its own.
"""
