"""``python -m pyg_basis``, which ``torchrun`` can start: the command ``pyg-basis``."""

import sys

from pyg_basis.cli import main

sys.exit(main())
