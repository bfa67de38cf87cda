from inspect import signature
from types import ModuleType
from typing import get_args, get_type_hints

import pytest

from pyg_basis import BASiS
from pyg_basis.cli import COMMANDS, _options

SHARED = {
    "points": _options.Points,
    "key": _options.Key,
    "columns": _options.Columns,
    "force": _options.Force,
    "graph": _options.Graph,
    "quiet": _options.Quiet,
    "traceback": _options.Traceback,
    "device": _options.Device,
    "n_workers": _options.NumWorkers,
    "random_state": _options.Seed,
}


@pytest.mark.parametrize("name", ["graph", "n_workers", "device", "random_state"])
@pytest.mark.parametrize("module", COMMANDS)
def test_defaults_are_those_of_the_estimator(module: ModuleType, name: str) -> None:
    parameters = signature(getattr(module, module.__name__.split(".")[-1])).parameters
    if name in parameters:
        assert parameters[name].default == BASiS().get_params()[name]


def test_all_commands_say_the_same() -> None:
    used = []
    for module in COMMANDS:
        command = getattr(module, module.__name__.split(".")[-1])
        for name, hint in get_type_hints(command, include_extras=True).items():
            if name in SHARED:
                used.append(name)
                assert get_args(hint)[1] is get_args(SHARED[name])[1], (module, name)
    assert all(used.count(name) >= 2 for name in SHARED)
