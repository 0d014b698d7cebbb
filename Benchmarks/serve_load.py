#!/usr/bin/env python3
"""Measures a service under load, and checks that no answer is lost or belongs to another request.

    rnn-dist serve runs/shakespeare &
    Benchmarks/serve_load.py http://127.0.0.1:8080 --clients 64 --seconds 120
    Benchmarks/serve_load.py http://127.0.0.1:8080 --lines inputs.txt      # a model for /v1/predict

First, one client sends a number of different requests one after another; these answers are the expected ones, and give the
throughput of one client. Then all clients send these requests in random order, each its next one when it has the answer to the
last, and every answer is compared with the expected one. With --hostile, more connections do harm meanwhile: they send
nonsense, endless headers, bodies that are too large, requests that never end, or leave in the middle of an answer.

Prints one JSON object: requests per second of one client and of all, the median and the 99th percentile of the answer time in
milliseconds, and the numbers of requests, wrong answers and failures. Exits with 1 if an answer is wrong or missing.
Standard library only.
"""
import argparse
import asyncio
import json
import random
import statistics
import sys
import time
import urllib.parse


async def exchange(reader, writer, host, path, body):
    """One request on an open connection; returns status and body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return status, await reader.readexactly(length)


async def client(url, requests, expected, deadline, generator, times, problems):
    """Sends random requests until the deadline."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    while time.monotonic() < deadline:
        index = generator.randrange(len(requests))
        start = time.monotonic()
        try:
            status, answer = await asyncio.wait_for(exchange(reader, writer, url.netloc, *requests[index]), 60)
        except Exception as error:  # every failure counts, whatever it is
            problems["failures"].append(repr(error))
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            continue
        times.append(time.monotonic() - start)
        if status != 200:
            problems["failures"].append(f"{status} {answer[:200]!r}")
        elif answer != expected[index]:
            problems["wrong"].append([requests[index][1].decode(), expected[index].decode(), answer.decode()])
    writer.close()


async def hostile(url, deadline, generator):
    """Does harm until the deadline."""
    attacks = [
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET /" + b"x" * 100_000,
        b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000,
        b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        b"POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-",
        b"POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n"
        b'{"stream": true, "length": 1000}',
        b'POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"input":',
    ]
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(generator.choice(attacks))
            await asyncio.wait_for(reader.read(generator.choice([1, 4096])), generator.choice([0.05, 0.5, 12]))
        except Exception:
            pass
        writer.close()


def make_requests(arguments, model):
    """The path and the body of each different request."""
    name = {"model": model["name"]}
    if "/v1/predict" in model["endpoints"] and arguments.lines:
        with open(arguments.lines, encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file if line.strip()][: arguments.different]
        return [("/v1/predict", json.dumps(name | {"input": line}).encode()) for line in lines]
    if "/v1/generate" not in model["endpoints"]:
        sys.exit("this model needs --lines FILE with inputs")
    return [
        ("/v1/generate", json.dumps(name | {"seed": seed, "length": arguments.length + seed % 7, "temperature": 0.8}).encode())
        for seed in range(arguments.different)
    ]


async def run(arguments):
    url = urllib.parse.urlsplit(arguments.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET /v1/models HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
    models = json.loads((await reader.read()).split(b"\r\n\r\n", 1)[1])["models"]
    model = next(model for model in models if arguments.model in (None, model["name"]))
    requests = make_requests(arguments, model)

    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    expected, alone = [], []
    for path, body in requests:
        start = time.monotonic()
        status, answer = await exchange(reader, writer, url.netloc, path, body)
        alone.append(time.monotonic() - start)
        if status != 200:
            sys.exit(f"{status} {answer.decode()}")
        expected.append(answer)

    times, problems = [], {"wrong": [], "failures": []}
    start = time.monotonic()
    deadline = start + arguments.seconds
    tasks = [
        client(url, requests, expected, deadline, random.Random(number), times, problems)
        for number in range(arguments.clients)
    ] + [hostile(url, deadline, random.Random(-number - 1)) for number in range(arguments.hostile)]
    await asyncio.gather(*tasks)
    elapsed = time.monotonic() - start

    times.sort()
    together, one = len(times) / elapsed, len(alone) / sum(alone)
    print(
        json.dumps(
            {
                "model": model["name"], "clients": arguments.clients, "seconds": round(elapsed, 1),
                "requests": len(times), "one_client_per_s": round(one, 2), "all_clients_per_s": round(together, 2),
                "ratio": round(together / one, 2), "one_client_median_ms": round(1000 * statistics.median(alone), 1),
                "p50_ms": round(1000 * times[len(times) // 2], 1),
                "p99_ms": round(1000 * times[min(len(times) - 1, len(times) * 99 // 100)], 1),
                "wrong": len(problems["wrong"]), "failures": len(problems["failures"]),
            }
        )
    )
    for kind, examples in problems.items():
        for example in examples[:3]:
            print(kind, example, file=sys.stderr)
    return 1 if any(problems.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--hostile", type=int, default=0, help="more connections that do harm")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--different", type=int, default=100, help="different requests")
    parser.add_argument("--length", type=int, default=100, help="tokens of a text")
    parser.add_argument("--lines", help="inputs for /v1/predict, one per line")
    sys.exit(asyncio.run(run(parser.parse_args())))
