"""A service under load: requests per second and latency at 1, 8 and 64 clients, and its memory over many requests.

    python -m benchmarks.serving --model FOLDER [--pictures FOLDER] [--requests 2000] [--clients 1 8 64] [--soak 20000]

Starts `imaginet serve` in a process of its own on this machine, and clients in threads of this one, each with a connection that stays open.
The rival is one picture after another through the detector in this process, without HTTP. Printed: a table, and memory before and after;
with --soak, memory after each tenth of so many further requests of eight clients. A request that is not answered ends the run.
"""

import argparse
import http.client
import re
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start(model: str) -> tuple[subprocess.Popen, str, int]:
    """The process, its host and port."""
    command = [sys.executable, "-m", "imaginet_tools.commands.main", "serve", "--model", str(Path(model).resolve()), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    told = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
    if told is None:
        raise RuntimeError(f"the service did not start; its exit status is {process.wait()}")
    return process, told[1], int(told[2])


def memory_of(pid: int) -> float:
    """MB that a process holds now."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def client(host: str, port: int, contents: list[bytes], count: int) -> list[float]:
    """Seconds of each of ``count`` requests, one after the other. Raises RuntimeError for one that is not answered with 200."""
    connection, seconds = http.client.HTTPConnection(host, port, timeout=120), []
    for number in range(count):
        began = time.perf_counter()
        connection.request("POST", "/score", contents[number % len(contents)], {"Content-Type": "image/jpeg"})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {content[:200]}")
        seconds.append(time.perf_counter() - began)
    connection.close()
    return seconds


def load(host: str, port: int, contents: list[bytes], clients: int, count: int) -> tuple[list[float], float]:
    """Sorted seconds of ``count`` requests, shared out over so many clients at a time, and requests per second."""
    shares, began = [count // clients + (number < count % clients) for number in range(clients)], time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        seconds = sorted(sum(threads.map(lambda share: client(host, port, contents, share), shares), []))
    if len(seconds) != count:
        raise RuntimeError(f"{count - len(seconds)} of {count} requests were lost")
    return seconds, count / (time.perf_counter() - began)


def rival_rate(model: str, contents: list[bytes], count: int) -> float:
    """Images per second of the detector alone, one picture after another."""
    from imaginet_tools.inference.saved_detector import open_detector

    detector = open_detector(model)
    detector.scores(contents[:1])
    began = time.perf_counter()
    for number in range(count):
        detector.scores([contents[number % len(contents)]])
    return count / (time.perf_counter() - began)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", type=Path, default=ROOT / "sample" / "images")
    parser.add_argument("--requests", type=int, default=2000, help="for each number of clients (default: 2000)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--soak", type=int, default=0, help="further requests over which memory is watched (default: none)")
    options = parser.parse_args()
    contents = [file.read_bytes() for file in sorted(options.pictures.rglob("*.jpg"))[:64]]
    alone = rival_rate(options.model, contents, min(options.requests, 300))
    process, host, port = start(options.model)
    try:
        client(host, port, contents, 50)
        before = memory_of(process.pid)
        print("| clients | requests | requests/s | p50 ms | p95 ms | against the detector alone |\n| --- | --- | --- | --- | --- | --- |")
        for clients in options.clients:
            seconds, rate = load(host, port, contents, clients, options.requests)
            p50, p95 = statistics.median(seconds), seconds[int(len(seconds) * 0.95)]
            print(f"| {clients} | {len(seconds):,} | {rate:,.1f} | {p50 * 1e3:.0f} | {p95 * 1e3:.0f} | {rate / alone:.2f} |", flush=True)
        for tenth in range(1, 11) if options.soak else ():
            load(host, port, contents, 8, options.soak // 10)
            print(f"{options.soak * tenth // 10:,} further requests: {memory_of(process.pid):,.0f} MB", flush=True)
        print(f"The detector alone: {alone:,.1f} images/s. Memory of the service: {before:,.0f} MB before, {memory_of(process.pid):,.0f} MB after.")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    main()
