"""Asking a bigger model for help: when it pays, within a deadline and a budget, and never at the price of an answer."""
