"""Lesions that are planted into scans without one: for training, and to test what a model misses.

numpy and scipy alone. What is planted is known in place, size and strength; what a real lesion
does to its surroundings (retraction, atelectasis, effusion) is not planted.
"""
