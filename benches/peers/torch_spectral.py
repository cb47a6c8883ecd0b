"""The spectral strategy as batched PyTorch, the way a model server would host it: the peer of `cargo bench --bench table`.

It is the strategy as spectrank computes it by default: energy loadings, full coupling, no decay, exposure over the window.
A batch of slates is on the device with unit rows, sorted by score; what is timed is the loop over positions alone. Rows of
the window stay in their slots, so that block power iteration starts from a basis that fits.

    eigh   torch.linalg.eigh of the window's similarity matrix
    power  block power iteration, --sweeps sweeps of warm-started QR, then one Rayleigh–Ritz step
"""

import serve


def options():
    parser = serve.arguments(__doc__.splitlines()[0])
    parser.add_argument("--behind", type=int, default=10)
    parser.add_argument("--ahead", type=int, default=0)
    parser.add_argument("--spectra", type=int, default=4)
    parser.add_argument("--strength", type=float, default=0.3)
    parser.add_argument("--epsilon", type=float, default=0.1)
    parser.add_argument("--sweeps", type=int, default=2)
    parser.add_argument("--scope", choices=["pool", "window"], default="pool")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compiled", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--batches", default="", help="slates at once to try, as 32,128")
    return parser.parse_args()


def top_spectra(similarity, basis, solver, options):
    """The largest eigenvalues (S, K), their vectors (S, m, K), and the basis to start from next time."""
    if solver == "eigh":
        values, vectors = torch.linalg.eigh(similarity)
        return values[..., -options.spectra :].clamp_min(0), vectors[..., -options.spectra :], basis
    for _ in range(options.sweeps):
        basis = torch.linalg.qr(similarity @ basis)[0]
    values, turn = torch.linalg.eigh(basis.mT @ similarity @ basis)
    return values.clamp_min(0), basis @ turn, basis


def pool_position(rows, base, window, basis, solver, options):
    """The winner of a position among all candidates that are left, and the basis.

    With every spectrum of the window W = P the exposure is λ itself, so the penalty is ‖x W u_k‖² / (ε + λ_k), summed over k.
    """
    values, vectors, basis = top_spectra(window @ window.mT, basis, solver, options)
    directions = window.mT @ (vectors * (options.epsilon + values).rsqrt()[:, None, :])
    utility = base - options.strength * (rows @ directions).square().sum(-1)
    return utility.argmax(1), basis


def window_position(base, window, basis, solver, options):
    """The winner of a position among the upcoming candidates in the window, and the basis."""
    values, vectors, basis = top_spectra(window @ window.mT, basis, solver, options)
    loadings = vectors * (values / (options.epsilon + values)).sqrt()[:, None, :]
    placed, upcoming = loadings[:, : options.behind], loadings[:, options.behind :]
    # Σ_kl w_kl l_k l_l with w = Σ_j l_j l_jᵀ is Σ_j ⟨l, l_j⟩².
    utility = base - options.strength * (upcoming @ placed.mT).square().sum(-1)
    return utility.argmax(1), basis


def rerank(rows, scores, solver, position, options):
    """rows (S, N, d) and scores (S, N), best first → picks (S, positions) as ranks."""
    n_slates, n_candidates, dim = rows.shape
    behind, ahead = options.behind, options.ahead
    device = rows.device
    slate = torch.arange(n_slates, device=device)
    picks = torch.empty(n_slates, options.positions, dtype=torch.long, device=device)
    window = torch.zeros(n_slates, behind + ahead, dim, device=device)
    generator = torch.Generator(device="cpu").manual_seed(1)
    start = torch.randn(behind + ahead, options.spectra, generator=generator).to(device)
    basis = torch.linalg.qr(start)[0].expand(n_slates, -1, -1).contiguous()
    is_pool = options.scope == "pool"
    if is_pool:
        base = scores.clone()
    else:
        window[:, behind:] = rows[:, :ahead]
        base, upcoming = scores[:, :ahead].clone(), torch.arange(ahead, device=device).repeat(n_slates, 1)
    for t in range(options.positions):
        if is_pool:
            winner, basis = position(rows, base, window, basis, solver, options)
            picks[:, t] = winner
            base[slate, winner] = -torch.inf
            window[:, t % behind] = rows[slate, winner]
            continue
        winner, basis = position(base, window, basis, solver, options)
        picks[:, t] = upcoming[slate, winner]
        window[:, t % behind] = window[slate, behind + winner]
        if ahead + t < n_candidates:
            window[slate, behind + winner] = rows[:, ahead + t]
            base[slate, winner] = scores[:, ahead + t]
            upcoming[slate, winner] = ahead + t
        else:
            base[slate, winner] = -torch.inf
    return picks


class Slates:
    """Slates on the device, best candidate first."""

    def __init__(self, options):
        items, candidates, scores = serve.load(options.folder)
        order = numpy.argsort(-scores, axis=1, kind="stable")
        self.order = order
        self.device = torch.device(options.device)
        self.items = torch.from_numpy(items).to(self.device)
        self.candidates = torch.from_numpy(numpy.take_along_axis(candidates, order, axis=1)).to(self.device)
        self.scores = torch.from_numpy(numpy.take_along_axis(scores, order, axis=1)).to(self.device)
        self.rows = self.items[self.candidates[:0]]

    def hold(self, _variant, n_slates):
        """Rows of the first slates, gathered once."""
        if len(self.rows) < n_slates:
            self.rows = None  # before there is a second copy
            self.rows = self.items[self.candidates[:n_slates]]

    def rerank(self, n_slates, batch, solver, position, options):
        picks = []
        for start in range(0, n_slates, batch):
            part = slice(start, min(start + batch, n_slates))
            picks.append(rerank(self.rows[part], self.scores[part], solver, position, options))
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return picks

    def named(self, picks):
        """Picks as indices into the candidates as they were given."""
        ranks = torch.cat(picks).cpu().numpy()
        return numpy.take_along_axis(self.order[: len(ranks)], ranks, axis=1)


def main():
    given = options()
    torch.set_num_threads(given.threads)
    if given.device == "cuda" and not torch.cuda.is_available():
        serve.leave(f"PyTorch {torch.__version__} finds no CUDA device", "an NVIDIA driver that this PyTorch can use")
    is_cuda = given.device == "cuda"
    step = pool_position if given.scope == "pool" else window_position
    # One for each number of slates and each solver; past a limit of 8 it would be eager again.
    torch._dynamo.config.recompile_limit = 64
    kinds = [("eager", step)] + ([("compiled", torch.compile(step, dynamic=False))] if given.compiled else [])
    batches = [int(n) for n in given.batches.split(",") if n] or ([1000, 5000, 10000] if is_cuda else [16, 32, 64, 128])
    variants = [
        (f"{solver}, {kind}, {batch} at once", batch, solver, position)
        for solver in ("eigh", "power")
        for kind, position in kinds
        for batch in batches
    ]
    slates = Slates(given)

    def run(variant, n_slates):
        _, batch, solver, position = variants[variant]
        return slates.rerank(n_slates, batch, solver, position, given)

    hello = {
        "peer": "PyTorch",
        "version": torch.__version__,
        "device": torch.cuda.get_device_name() if is_cuda else "CPU",
        "variants": [
            {"name": name, "batch": batch, "is_exact": solver == "eigh"} for name, batch, solver, _ in variants
        ],
    }
    with torch.inference_mode():
        serve.serve(hello, run, prepare=slates.hold, name=slates.named)


if __name__ == "__main__":
    try:
        import numpy
        import torch
    except ImportError as error:
        serve.leave(f"{error.name} is not installed", "pip install torch==2.15.0 numpy")
    main()
