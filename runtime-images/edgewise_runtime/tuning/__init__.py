"""Finds out on the device how a model runs best there, once, and remembers it.

tuner.py opens a model and is the face; trial.py measures, choice.py chooses, notebook.py remembers.
"""
