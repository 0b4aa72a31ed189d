"""`python -m wgrad`: what can be asked of wgrad from a shell."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
