"""CleanVision's default checks with one job, as its documentation calls it; wants its own environment."""

import contextlib
import io
import json
import os
import time
from pathlib import Path

from cleanvision import Imagelab

if __name__ == "__main__":
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Imagelab(data_path=str(Path(os.environ["BENCH_DIR"], "pictures")))
        lab.find_issues(n_jobs=1, verbose=False)
    print(json.dumps({"seconds": time.monotonic() - began}))
