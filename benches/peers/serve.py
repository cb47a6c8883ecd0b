"""What the peers share: they read slates as the bench wrote them, and do one timed run for each line that they are sent.

    bench → {"variant": 0, "slates": 128, "picks": false}
    peer  → {"seconds": 1.17, "cpu_seconds": 2.3}            and the picks where they were asked for, or {"error": "…"}

The first line of a peer says who it is and what it can be asked for: {"peer", "version", "device", "variants": [{"name", "batch"}]},
or what is missing: {"missing": "torch is not installed", "cure": "pip install torch"}.
"""

import argparse
import json
import os
import sys
import time


def arguments(description):
    """Flags that every peer takes: where the slates are and how they are to be re-ranked."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", required=True, help="with items.npy, candidates.npy and scores.npy")
    parser.add_argument("--positions", type=int, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser


def say(answer):
    print(json.dumps(answer), flush=True)


def leave(missing, cure):
    """Says what is missing, which is no failure: the bench prints it in the row."""
    say({"missing": missing, "cure": cure})
    sys.exit(0)


def load(folder):
    """Unit rows [items, dim], candidates [slates, N] and scores [slates, N] as float32."""
    import numpy

    items = numpy.load(os.path.join(folder, "items.npy"))
    candidates = numpy.load(os.path.join(folder, "candidates.npy")).astype(numpy.int64)
    scores = numpy.load(os.path.join(folder, "scores.npy")).astype(numpy.float32)
    lengths = numpy.linalg.norm(items, axis=1, keepdims=True)
    return items / numpy.maximum(lengths, 1e-30), candidates, scores


def serve(hello, run, prepare=lambda variant, n_slates: None, name=lambda picks: picks):
    """Answers every line. run(variant, n_slates) is timed. What comes before and after it is not: prepare(variant, n_slates),
    and name(picks), which returns lists of indices into the candidates as given."""
    say(hello)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            prepare(request["variant"], request["slates"])
            cpu, started = time.process_time(), time.perf_counter()
            picks = run(request["variant"], request["slates"])
            answer = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
            if request.get("picks"):
                answer["picks"] = [list(map(int, row)) for row in name(picks)]
        except Exception as error:  # one variant that fails, for want of memory say, must not end the others
            lines = str(error).splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[0]}"}
        say(answer)
