"""Timing two things fairly: in turns, best of several rounds."""

import time


def best_of(rounds, *functions):
    """The shortest time of each function in seconds; every round runs each of them once."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            began = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - began)
    return best
