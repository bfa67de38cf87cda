from inspect import signature
from types import ModuleType
from typing import get_args, get_type_hints

import pytest

from pyg_basis import BASiS
from pyg_basis.cli import COMMANDS, _options


@pytest.mark.parametrize("name", ["n_workers", "device", "random_state"])
@pytest.mark.parametrize("module", COMMANDS)
def test_defaults_are_those_of_the_estimator(module: ModuleType, name: str) -> None:
    parameters = signature(getattr(module, module.__name__.split(".")[-1])).parameters
    if name in parameters:
        assert parameters[name].default == BASiS().get_params()[name]


def test_all_commands_say_the_same() -> None:
    shared = {"points", "key", "columns", "force", "quiet", "traceback"}
    hints: dict[str, set[int]] = {}
    for module in COMMANDS:
        command = getattr(module, module.__name__.split(".")[-1])
        for name, hint in get_type_hints(command, include_extras=True).items():
            if name in shared:
                hints.setdefault(name, set()).add(id(get_args(hint)[1]))
    assert hints.keys() == shared
    options = {name: len(found) for name, found in hints.items()}
    assert options == dict.fromkeys(shared, 1)
    assert all(getattr(_options, name.capitalize(), None) for name in shared)
