#!/usr/bin/env python3
"""Measures how closely real players keep together, and writes docs/accuracy.md with plots.

Every scenario is one room of headless mpv players, driven by the same script and judged by the same meter
(bench/syncmeter), whoever keeps them in step: our plugin on our broker, on Debian's mosquitto, or Syncplay.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
METER = os.path.join(ROOT, "bench", "syncmeter")

# Everybody does everything: pauses and resumes from both sides, jumps, and half a second's stop of one process.
SCRIPT = """ready; wait 5; unpause 0; wait {settle}; steady {steady} playing;
repeat {pauses}; pause 0; wait 4; unpause 1; wait 7; end;
repeat {seeks}; seekrel 0 +20; wait 7; end;
repeat {stalls}; stall 1 0.5; wait 8; end"""
SKEW = "ready; wait 5; unpause 0; wait 150; steady 60 playing"
IDLE = "ready; wait 5; unpause 0; wait 15; steady {long} playing"

SLOW = ["--delay", "50", "--jitter", "20"]
# name, title, arguments of `room`, script, thresholds in ms (seek, stall), what is promised
SCENARIOS = [
    ("two", "loopback, 2 players", [], SCRIPT, (20, 10), (1, 5)),
    ("eight", "loopback, 8 players", ["--players", "8"], SCRIPT, (20, 10), (1, 5)),
    ("slow", "one behind 50±20 ms", SLOW, SCRIPT, (20, 10), (6, 10)),
    ("asymmetric", "one behind 60 ms up, 20 ms down", ["--delay", "60", "--down", "20"], SCRIPT, (40, 30), (25, 30)),
    ("cards", "50±20 ms, sound cards 300 ppm apart", SLOW + ["--card", "1.0003"], SCRIPT, (20, 10), (8.5, 15)),
    ("fast-card", "one card 1 % fast, after 150 s", ["--card", "1.01"], SKEW, (20, 10), (2, 5)),
    ("mosquitto", "mosquitto, 2 players", ["--mosquitto"], SCRIPT, (20, 10), (1.5, 7.5)),
    ("mosquitto-slow", "mosquitto, one behind 50±20 ms", ["--mosquitto"] + SLOW, SCRIPT, (20, 10), (9, 15)),
    ("unattended", "unattended", SLOW + ["--card", "1.0001"], IDLE, (20, 10), (8.5, 15)),
    ("syncplay", "Syncplay, loopback, 2 players", None, SCRIPT, (20, 10), None),
    ("syncplay-slow", "Syncplay, one behind 50±20 ms", SLOW, SCRIPT, (20, 10), None),
]


def main():
    options = arguments()
    os.makedirs(options.out, exist_ok=True)
    wanted = options.only.split(",") if options.only else [row[0] for row in SCENARIOS if row[0] != "unattended"]
    for scenario in SCENARIOS:
        if scenario[0] in wanted and not options.write:
            print("==", scenario[1], flush=True)
            run(options, scenario)
    write_page(options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", default="target/release/room", help="the program that opens a room")
    parser.add_argument("--broker", default="target/release/mqtt-broker")
    parser.add_argument("--clips", default="target/clips")
    parser.add_argument("--out", default="target/accuracy", help="where figures are kept between runs")
    parser.add_argument("--docs", default="docs")
    parser.add_argument("--only", help="scenarios by name, with commas: " + " ".join(row[0] for row in SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="fewer repeats: minutes instead of an hour")
    parser.add_argument("--long", type=int, default=1200, help="seconds of the unattended scenario")
    parser.add_argument("--write", action="store_true", help="write the page from the figures that are there")
    return parser.parse_args()


def run(options, scenario):
    name, _, room, script, _, _ = scenario
    counts = {"settle": 12, "steady": 60, "pauses": 5, "seeks": 4, "stalls": 2, "long": options.long}
    if options.quick:
        counts = {"settle": 10, "steady": 30, "pauses": 3, "seeks": 2, "stalls": 1, "long": options.long}
    prefix = os.path.join(options.out, name)
    meter = [sys.executable, os.path.join(METER, "syncmeter.py"), "{sockets}", "--summary", "-o", prefix,
             "--thresholds", "1,10,20,30,40,100", "-s", script.format(**counts)]
    if name.startswith("syncplay"):
        command = syncplay(options, room) + ["--"] + meter
    else:
        command = [options.room, "--broker", options.broker, "--clips", options.clips] + room + ["--"] + meter
    with open(prefix + ".txt", "w") as log:
        outcome = subprocess.call(command, stdout=log, stderr=log, cwd=ROOT)
    if outcome != 0:
        print("   failed:", open(prefix + ".txt").read().strip().splitlines()[-1:], flush=True)


def syncplay(options, slow):
    """The anchor starts Syncplay's own server and clients, in a network of their own that has only loopback."""
    film = os.path.join(options.clips, "clip-600s.nut")
    command = [sys.executable, os.path.join(METER, "anchors", "syncplay.py"), "--file", os.path.abspath(film),
               "--dir", os.path.abspath(os.path.join(options.out, "syncplay-run"))]
    if os.geteuid() != 0:
        command.append("--no-netns")
    return command + (["--delay-peer", "1"] + slow if slow else [])


# ------------------------------------------------------------------------------------------------ figures

def figures_of(options, scenario):
    """What a run says, or None when it has not been made."""
    name, _, _, _, (seek_limit, stall_limit), _ = scenario
    path = os.path.join(options.out, name + ".json")
    if not os.path.exists(path):
        return None
    result = json.load(open(path))
    steady = (result["steady"] or [{}])[0].get("spread")
    groups = {}
    for action in result["actions"]:
        groups.setdefault(action["action"].split()[0], []).append(action)
    # The first resume starts from nothing; the others are what viewers meet.
    groups["unpause"] = groups.get("unpause", [])[1:]
    settled = lambda verb, limit: [action["settle_s"][str(limit / 1e3)] for action in groups.get(verb, [])]
    count = lambda what: [sum(action[what][peer] for action in result["actions"]) for peer in result["peers"]]
    return {
        "steady": steady, "load": result["loadavg"][0], "seconds": result["duration_s"], "peers": len(result["peers"]),
        "pause": settled("pause", 1), "unpause": settled("unpause", 40), "seek": settled("seekrel", seek_limit),
        "stall": settled("stall", stall_limit), "seeks": count("seeks"), "speeds": count("speed_changes"),
        "when": time.strftime("%Y-%m-%d", time.gmtime(os.path.getmtime(path))),
    }


def ms(seconds):
    return "–" if seconds is None else "%.1f" % (seconds * 1e3) if seconds < 0.1 else "%.0f" % (seconds * 1e3)


def settled_words(times):
    """Median and worst; how often it never came to it, if so."""
    reached = sorted(value for value in times if value is not None)
    if not times:
        return "–"
    if not reached:
        return "never"
    words = "%s / %s" % (ms(statistics.median(reached)), ms(reached[-1]))
    missed = len(times) - len(reached)
    return words + (", %d of %d never" % (missed, len(times)) if missed else "")


# ------------------------------------------------------------------------------------------------ the page

def write_page(options):
    rows, plots, notes = [], [], []
    for scenario in SCENARIOS:
        name, title, _, _, (seek_limit, stall_limit), promised = scenario
        figures = figures_of(options, scenario)
        if figures is None:
            continue
        steady = figures["steady"] or {}
        spread = " / ".join(ms(steady.get(key)) for key in ("p50", "p95", "max"))
        cells = [title, spread, "–" if promised is None else "%g / %g" % promised,
                 settled_words(figures["pause"]), settled_words(figures["unpause"]),
                 settled_words(figures["seek"]) + ("" if seek_limit == 20 else " (< %d ms)" % seek_limit),
                 settled_words(figures["stall"]) + ("" if stall_limit == 10 else " (< %d ms)" % stall_limit)]
        rows.append("| " + " | ".join(cells) + " |")
        notes.append("| %s | %s | %s | %.0f s | %.1f |" % (
            title, span(figures["seeks"]), span(figures["speeds"]), figures["seconds"], figures["load"]))
        if plot(options, name, title):
            plots.append("![%s](accuracy/%s.svg)" % (title, name))
    page = PAGE.format(rows="\n".join(rows), notes="\n".join(notes), plots="\n\n".join(plots))
    with open(os.path.join(options.docs, "accuracy.md"), "w") as file:
        file.write(page)
    print("wrote", os.path.join(options.docs, "accuracy.md"))


def span(counts):
    return "%d" % counts[0] if min(counts) == max(counts) else "%d to %d" % (min(counts), max(counts))


PAGE = """# How closely players keep together

Measured with real mpv players by `make bench-rooms`, which writes this page. The meter reads every player's position
fifty times a second through mpv's own control socket, against one clock; it does not know who keeps them in step. All
figures are milliseconds. *Spread* is the largest minus the smallest position of all players at one instant; the
columns to its right say how long after a deed the spread had settled for good (median / worst over the repeats; for
a pause: until all showed one and the same frame). The promise is what the design set out to reach (p95 / max).

| room | spread p50 / p95 / max | promised p95 / max | pause: one frame after | resume: < 40 ms after | seek: < 20 ms after | 0.5 s stop: < 10 ms after |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

No clock filter can see that one direction of a path is slower than the other: half of the difference stays. A resume
contains the lead that lets everybody hear of it first, a seek also the time of the slowest player's decoder.

## What it takes

Seeks and changes of speed over a whole run, for each player; those that the script asked for are among them. A
correction that chased its own effect would show here. The load of the machine is its run queue at the end: above the
number of its cores, players wait for their turn, and all of these figures are worse than the room's doing.

| room | seeks | changes of speed | run | load |
| --- | --- | --- | --- | --- |
{notes}

## Over time

{plots}
"""


# ------------------------------------------------------------------------------------------------ plots

WIDTH, HEIGHT, LEFT, BOTTOM, TOP_MS = 760, 200, 46, 28, 60.0


def plot(options, name, title):
    path = os.path.join(options.out, name + ".csv")
    if not os.path.exists(path):
        return False
    points, marks = [], []
    for row in csv.reader(open(path)):
        if row[0] == "#mark":
            marks.append((float(row[1]), row[3].split()[0]))
        elif row[0] != "t":
            column = len(row) - 3
            points.append((float(row[0]), float(row[column]) * 1e3 if row[column] else None))
    folder = os.path.join(options.docs, "accuracy")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + ".svg"), "w") as file:
        file.write(drawing(title, points, marks))
    return True


def drawing(title, points, marks):
    end = points[-1][0] if points else 1.0
    across = lambda t: LEFT + (WIDTH - LEFT - 8) * t / end
    up = lambda ms: HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 26) * min(ms, TOP_MS) / TOP_MS
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">'
           % (WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="%d" y="16" font-size="13">%s: spread in ms</text>' % (LEFT, title)]
    for level in (0, 20, 40, 60):
        out.append('<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%d</text>'
                   % (LEFT, up(level), WIDTH - 8, LEFT - 5, up(level) + 4, level))
    for t in range(0, int(end) + 1, 30):
        out.append('<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%d s</text>' % (across(t), HEIGHT - 10, t))
    colours = {"pause": "#c33", "unpause": "#3a3", "seekrel": "#36c", "stall": "#a5a"}
    for t, word in marks:
        out.append('<path d="M%.1f 24V%d" stroke="%s" stroke-opacity=".35"/>'
                   % (across(t), HEIGHT - BOTTOM, colours.get(word, "#999")))
    out.append('<path d="%s" fill="none" stroke="#124" stroke-width="1.1"/>' % line(points, across, up))
    out.append('<text x="%d" y="16" text-anchor="end" fill="#777">red pause, green resume, blue seek, violet stop; '
               'cut at %d ms</text></svg>\n' % (WIDTH - 8, TOP_MS))
    return "\n".join(out)


def line(points, across, up, columns=600):
    """The largest spread of each column, broken where it is unknown."""
    end = points[-1][0] if points else 1.0
    largest = {}
    for t, ms_ in points:
        if ms_ is not None:
            column = int(columns * t / end)
            largest[column] = max(largest.get(column, 0.0), ms_)
    path, before = [], None
    for column in sorted(largest):
        path.append("%s%.1f %.1f" % ("L" if before == column - 1 else "M", across(end * column / columns),
                                     up(largest[column])))
        before = column
    return "".join(path)


if __name__ == "__main__":
    main()
