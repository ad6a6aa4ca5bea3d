"""`python -m agent` is `ftu-agent`."""

import sys

from agent.cli import main

sys.exit(main())
