"""Where the container starts: the same program as the `secret-sync` command."""

import sys

from secret_action.cli import main

if __name__ == "__main__":
    sys.exit(main())
