"""`python -m hil` is `ftu-hil`."""

import sys

from hil.cli import main

if __name__ == "__main__":  # processes that the rig spawns import this file too
    sys.exit(main())
