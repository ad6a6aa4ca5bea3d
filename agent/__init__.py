"""The feeder terminal: sensors -> detect -> store -> outage, uplink.

Nothing of it is imported here, so that every process pays only for the rooms it enters.
"""

import os

__version__ = "0.1.0"

# Our matrices are small: a second thread of the linear algebra costs more than it gives, keeps
# megabytes of buffers, and spins where another process has the core. It must be said before numpy
# is imported. A board has neither numpy nor an environment.
if hasattr(os, "environ"):
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
