import random

import numpy as np
import torch


def global_generators() -> dict[str, object]:
    """The states of the global generators, as values that ``==`` compares."""
    _, keys, *rest = np.random.get_state(legacy=True)
    states: dict[str, object] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (np.asarray(keys).tobytes(), *rest),
        "random": random.getstate(),
    }
    if torch.cuda.is_available():
        cuda = torch.cuda.get_rng_state_all()
        states["torch.cuda"] = [state.numpy().tobytes() for state in cuda]
    return states
