"""The rig: a network's physics, what plays it into real interfaces, and the verdict.

docs/rig.md has how to use it; nothing of agent/ may import it.
"""
