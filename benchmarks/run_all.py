"""Table 1, as ``python -m benchmarks run table1`` makes it, from any folder.

python benchmarks/run_all.py --datasets mnist --methods basis --output runs
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The packages of this checkout, instead of what is in this file's folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

    from benchmarks.registry import EXPERIMENTS

    EXPERIMENTS["table1"].run()
