#!/usr/bin/env python3
"""Measures libmqtt beside libmosquitto, Paho and a bare socket, and holds it against its targets.

    compare.py FOLDER [ROUNDS]     FOLDER has the programs, and libmqtt.so.0 stripped
"""
import os
import subprocess
import sys

LIBRARIES = ["ours", "mosquitto", "paho", "raw"]
# How many messages, so that each takes about a second.
COUNTS = {
    "publish0": {"ours": 5_000_000, "mosquitto": 300_000, "paho": 30_000, "raw": 10_000_000},
    "publish1": {"ours": 1_000_000, "mosquitto": 60_000, "paho": 20_000},
    "receive0": {"ours": 5_000_000, "mosquitto": 2_000_000, "paho": 60_000},
    "receive1": {"ours": 1_500_000, "mosquitto": 100_000, "paho": 30_000},
    "echo": dict.fromkeys(LIBRARIES, 20_000),
    "start": dict.fromkeys(LIBRARIES, 200),
    "idle": {"ours": 3, "mosquitto": 3, "paho": 3},
}


def run(folder, library, command, port, count):
    """One measurement: count, seconds, CPU seconds, median, KiB, wakeups."""
    program = os.path.join(folder, library)
    line = subprocess.run([program, command, str(port), str(count)], timeout=120, check=True,
                          capture_output=True, text=True,
                          env={**os.environ, "LD_LIBRARY_PATH": folder}).stdout
    return [float(word) for word in line.split()]


def middle(values):
    return sorted(values)[len(values) // 2]


def measure(folder, port, rounds):
    """By command and library: the medians of all rounds, which take turns."""
    runs = {}
    for _ in range(rounds):
        for command, counts in COUNTS.items():
            for library, count in counts.items():
                if os.path.exists(os.path.join(folder, library)):
                    result = run(folder, library, command, port, count)
                    runs.setdefault((command, library), []).append(result)
    return {key: [middle(column) for column in zip(*results)] for key, results in runs.items()}


def shown(command, result):
    count, seconds, cpu, median, memory, wakeups = result
    if command in ("echo", "start"):
        return f"{median:.1f} µs"
    if command == "idle":
        return f"{memory / 1024:.1f} MB, {wakeups / count:.1f}/s"
    return f"{count / seconds / 1000:.0f} k/s ({cpu / count * 1e6:.2f} µs)"


def targets(results, size):
    """What was promised, what is, and whether that is enough."""
    rate = lambda command: results[command, "ours"][0] / results[command, "ours"][1]
    ratio = lambda command: results[command, "ours"][3] / results[command, "raw"][3]
    cpu = results["publish0", "ours"][2] / results["publish0", "ours"][0] * 1e6
    idle = results["idle", "ours"]
    yield "publish QoS 0 ≥ 5 M/s", rate("publish0") / 1e6, rate("publish0") >= 5e6
    yield "... ≤ 0.2 µs CPU each", cpu, cpu <= 0.2
    yield "publish QoS 1 ≥ 500 k/s", rate("publish1") / 1e3, rate("publish1") >= 5e5
    yield "receive QoS 0 ≥ 3.3 M/s", rate("receive0") / 1e6, rate("receive0") >= 3.3e6
    yield "receive QoS 1 ≥ 800 k/s", rate("receive1") / 1e3, rate("receive1") >= 8e5
    yield "round trip ≤ 1.85 × raw", ratio("echo"), ratio("echo") <= 1.85
    yield "start to CONNACK < 2 × raw", ratio("start"), ratio("start") < 2
    yield "idle: 0 wakeups/s", idle[5] / idle[0], idle[5] == 0
    yield "idle: < 3 MB", idle[4] / 1024, idle[4] < 3 * 1024
    yield "stripped .so < 2.5 MB", size / 1e6, size < 2_500_000


def main():
    folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    stub = subprocess.Popen([os.path.join(folder, "stub")], stdout=subprocess.PIPE, text=True)
    try:
        results = measure(folder, int(stub.stdout.readline()), rounds)
    finally:
        stub.kill()
        stub.wait()
    print("| |", " | ".join(LIBRARIES), "|\n|", " | ".join(["---"] * (len(LIBRARIES) + 1)), "|")
    for command in COUNTS:
        cells = [shown(command, results[command, library]) if (command, library) in results else "–"
                 for library in LIBRARIES]
        print(f"| {command} |", " | ".join(cells), "|")
    print()
    size = os.path.getsize(os.path.join(folder, "libmqtt.so.0"))
    for name, value, is_met in targets(results, size):
        print(f"{'met   ' if is_met else 'MISSED'} {name}: {value:.2f}")


main()
