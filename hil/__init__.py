"""The rig: a network's physics, what plays it into real interfaces, and the verdict.

Its rooms come with part C; nothing of agent/ may import it.
"""
