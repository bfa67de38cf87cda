"""Table 1: the experiment ``comparison`` on the four image sets of the paper, from any
folder.

python benchmarks/run_all.py --data-root DIR
python benchmarks/run_all.py --sets mnist --methods basis --output runs
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The packages of this checkout, instead of what is in this file's folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

    from benchmarks.data.point_sets import SIAMESE
    from benchmarks.registry import EXPERIMENTS

    EXPERIMENTS["comparison"].run(["--sets", *SIAMESE, *sys.argv[1:]])
