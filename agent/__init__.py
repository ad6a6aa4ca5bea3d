"""The feeder terminal: sensors -> detect -> store -> outage, uplink.

Nothing is imported here, so that every process pays only for the rooms it enters.
"""

__version__ = "0.1.0"
