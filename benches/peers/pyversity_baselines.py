"""pyversity, a library of the baselines on numpy, one slate at a time: a peer of `cargo bench --bench table`.

It gets unit rows and is told so where it can be. Beside the one process that it runs in by itself, with all threads for numpy's
products, it is measured in as many processes as there are threads, each with one.
"""

import multiprocessing
import os

import serve

# What it calls for a slate; diversity 0.5 is mmr and msd λ = 0.5, dpp θ = 0.5, and ssd γ = 1, the last two on z-scores.
DIVERSITY = 0.5
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def options():
    parser = serve.arguments(__doc__.splitlines()[0])
    parser.add_argument("--strategy", choices=["mmr", "msd", "dpp", "ssd"], required=True)
    parser.add_argument("--window", type=int, default=10, help="of ssd")
    return parser.parse_args()


class Slates:
    """Slates in memory, rows gathered."""

    def __init__(self, options):
        self.options = options
        self.items, self.candidates, self.scores = serve.load(options.folder)
        self.rows = {}

    def hold(self, n_slates):
        for i in range(n_slates):
            if i not in self.rows:
                self.rows[i] = self.items[self.candidates[i]]

    def rerank(self, i):
        settings = {"normalize": False} if self.options.strategy in ("mmr", "msd", "ssd") else {}
        if self.options.strategy == "ssd":
            settings["window"] = self.options.window
        strategy = Strategy(self.options.strategy)
        found = diversify(self.rows[i], self.scores[i], self.options.positions, strategy, DIVERSITY, **settings)
        return found.indices.tolist()


def start(options):
    """In a process of its own."""
    global worker
    worker = Slates(options)
    worker.hold(len(worker.candidates))


def work(part):
    return [worker.rerank(i) for i in part]


def main():
    given = options()
    slates = Slates(given)
    pool = None

    def prepare(variant, n_slates):
        nonlocal pool
        if variant == 0:
            slates.hold(n_slates)
        elif pool is None:
            # Read when numpy is loaded, so only the new processes see it.
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
            pool = multiprocessing.get_context("spawn").Pool(given.threads, start, (given,))

    def run(variant, n_slates):
        if variant == 0:
            return [slates.rerank(i) for i in range(n_slates)]
        size = -(-n_slates // given.threads)
        parts = [range(first, min(first + size, n_slates)) for first in range(0, n_slates, size)]
        return [picks for part in pool.map(work, parts, chunksize=1) for picks in part]

    hello = {
        "peer": "pyversity",
        "version": importlib.metadata.version("pyversity"),
        "device": "CPU",
        "variants": [{"name": "one process", "batch": 1}]
        + ([{"name": f"{given.threads} processes", "batch": 1, "is_judged": False}] if given.threads > 1 else []),
    }
    serve.serve(hello, run, prepare)


try:
    import importlib.metadata

    import numpy  # noqa: F401  needed by pyversity, named here so that the message names it
    from pyversity import Strategy, diversify
except ImportError as error:
    if __name__ == "__main__":
        serve.leave(f"{error.name} is not installed", "pip install pyversity==0.2.0 numpy")
    raise

if __name__ == "__main__":
    main()
