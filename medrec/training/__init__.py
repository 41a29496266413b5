"""Fitting a network: task, loss, and Lightning's loop around them."""
