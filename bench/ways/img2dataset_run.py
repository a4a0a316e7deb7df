"""img2dataset without resizing and re-encoding, in its own environment."""

import json
import os
import time

from img2dataset import download

if __name__ == "__main__":
    folder = os.environ["BENCH_DIR"]
    began = time.monotonic()
    download(
        url_list=f"{folder}/urls.txt",
        output_folder=f"{folder}/out",
        output_format="files",
        resize_mode="no",
        skip_reencode=True,
        disable_all_reencoding=True,
        processes_count=os.cpu_count() or 1,
        thread_count=int(os.environ["BENCH_CONNECTIONS"]) // 2,
        number_sample_per_shard=500,
        enable_wandb=False,
    )
    print(json.dumps({"seconds": time.monotonic() - began}))
