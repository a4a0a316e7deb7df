"""aiohttp alone: fetches, hashes, keeps nothing."""

import asyncio
import hashlib
import json
import os
import time
from pathlib import Path

import aiohttp


async def main() -> None:
    urls = Path(os.environ["BENCH_DIR"], "urls.txt").read_text().split()
    waiting = iter(urls)

    async def work(session: aiohttp.ClientSession) -> None:
        for url in waiting:
            async with session.get(url) as answer:
                hashlib.sha256(await answer.read()).hexdigest()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(int(os.environ["BENCH_CONNECTIONS"]))))


began = time.monotonic()
asyncio.run(main())
print(json.dumps({"seconds": time.monotonic() - began}))
