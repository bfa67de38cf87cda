"""The rule of all fuzz tests: a call gives a clean answer or a clear refusal."""

import dataclasses
import dis
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import scipy.sparse
import sklearn
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn
from torch_geometric.data import Data

import pyg_basis
from tests.generators import global_generators

LIMIT = 30  # seconds of one call
OWN = str(Path(pyg_basis.__file__).parent)
# Where scikit-learn refuses points and parameters.
VALIDATION = tuple(
    str(Path(sklearn.__file__).parent / "utils" / name)
    for name in ("validation.py", "_param_validation.py", "_array_api.py")
)
RAISE = dis.opmap["RAISE_VARARGS"]
# Warnings of NumPy and torch about numbers that mean nothing.
INVALID = re.compile(r"encountered in|empty slice|[Dd]egrees of freedom|discards")


class Finding(AssertionError):
    """What a call may not do."""


class RawError(Finding):
    """An error that the package did not raise itself, or a warning of NumPy."""


class WrongAnswer(Finding):
    """An answer that is not right, or a call that changed what it may not."""


class Hang(Finding):
    """A call that took too long."""


class _OutOfTime(BaseException):
    """No handler of errors catches it."""


def accept(answer: Any) -> None:
    """Knows nothing more of the answer."""


class Case(NamedTuple):
    """A call.

    Args:
        function: What is called. It gives tensors, arrays and plain values, in any
            nesting.
        arguments: Its arguments by name, which it leaves as they are.
        check: Raises an AssertionError if the answer is not right.
        kinds: The errors that are documented.
        names: What an error may name in addition to the arguments.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    check: Callable[[Any], None] = accept
    kinds: tuple[type[BaseException], ...] = (ValueError,)
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        words = [f"{name}={_shown(value)}" for name, value in self.arguments.items()]
        return f"{self.function.__name__}({', '.join(words)})"


def judge(case: Case) -> Literal["answer", "refused"]:
    """Whether a call gave an answer or was refused.

    Raises:
        Finding: If the answer is not finite, not right or not the same again, if the
            arguments or the global generators changed, or an error is not clear.
    """
    arguments, generators = fingerprint(case.arguments), global_generators()
    answer, error = _attempt(case)
    if fingerprint(case.arguments) != arguments:
        raise WrongAnswer(f"changed its arguments: {case}")
    if global_generators() != generators:
        raise WrongAnswer(f"moved a global generator: {case}")
    if error is not None:
        fault = _fault(error, case)
        if fault is not None:
            raise RawError(f"{fault}: {case}") from error
        return "refused"
    for path, leaf in _leaves(answer):
        if not _is_finite(leaf):
            raise WrongAnswer(f"answer{path} is not finite: {case}")
    try:
        case.check(answer)
    except AssertionError as wrong:
        raise WrongAnswer(f"{wrong}: {case}") from wrong
    again, error = _attempt(case)
    if error is not None or fingerprint(again) != fingerprint(answer):
        raise WrongAnswer(f"not the same again: {case}") from error
    return "answer"


def _attempt(case: Case) -> tuple[Any, BaseException | None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = error = None
        try:
            with _limited():
                answer = case.function(**case.arguments)
        except _OutOfTime as end:
            raise Hang(f"took over {LIMIT} s: {case}") from end
        except Finding as found:
            raise type(found)(f"{found}: {case}") from found
        except (Exception, SystemExit) as raised:
            error = raised
    for warning in caught:
        if INVALID.search(str(warning.message)):
            raise RawError(f"{warning.category.__name__}: {warning.message}: {case}")
    return answer, error


@contextmanager
def _limited() -> Iterator[None]:
    def end(signum: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _fault(error: BaseException, case: Case) -> str | None:
    """What is wrong with an error; nothing, if it is documented, was raised by this
    package or by scikit-learn's checks, and says what it is about."""
    text = f"{type(error).__name__}: {error} ({place(error)})"
    if isinstance(error, SystemExit):  # of argparse, which has printed the usage
        is_documented = SystemExit in case.kinds and error.code == 2
        return None if is_documented else text
    if _is_of_validation(error) and isinstance(error, (TypeError, ValueError)):
        return None
    if not isinstance(error, case.kinds):
        return text
    if isinstance(error, OSError) and error.filename is not None:
        return None  # the system's own, which names the file
    frame = _last_frame(error)
    if not frame.tb_frame.f_code.co_filename.startswith(OWN) or not _is_raise(frame):
        return text
    names = "|".join(map(re.escape, (*case.arguments, *case.names)))
    is_clear = re.search(rf"(?<!\w)({names})(?!\w)", str(error))
    return None if is_clear else f"names nothing that was given: {text}"


def place(error: BaseException) -> str:
    """The file and the line that an error arose in."""
    frame = _last_frame(error)
    return f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"


def _last_frame(error: BaseException) -> Any:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame


def _is_raise(frame: Any) -> bool:
    """Whether the frame was left by a raise statement, and not by what an operator or
    a function without a frame of its own raised."""
    return frame.tb_frame.f_code.co_code[frame.tb_lasti] == RAISE


def _is_of_validation(error: BaseException) -> bool:
    """Whether the last frame, but for those of NumPy and pandas, which convert the
    points, is one of scikit-learn's checks."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    files = [frame.f_code.co_filename for frame in frames]
    converting = ("/numpy/", "/pandas/")
    files = [name for name in files if not any(part in name for part in converting)]
    return files[-1] in VALIDATION


def fingerprint(value: Any) -> list[tuple[str, Any]]:
    """A value bit by bit, in a form that ``==`` compares."""
    return [(path, _bits(leaf)) for path, leaf in _leaves(value)]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    parts = _parts(value)
    if parts is None:
        yield path, value
    for name, part in parts or ():
        yield from _leaves(part, f"{path}.{name}")


def _parts(value: Any) -> Any:
    """The named parts of a value; None of one without any."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, Data):
        return value.to_dict().items()
    if isinstance(value, nn.Module):
        return value.state_dict().items()
    if isinstance(value, BaseEstimator):
        return vars(value).items()
    if isinstance(value, nx.Graph):
        return enumerate([*value.nodes(data=True), *value.edges(data=True)])
    if isinstance(value, pd.DataFrame):
        return value.items()
    if isinstance(value, pd.Series):
        return [("values", value.to_numpy())]
    if scipy.sparse.issparse(value):
        return [("shape", value.shape), ("dense", value.toarray())]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return enumerate(value.ravel().tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [(name, getattr(value, name)) for name in names]
    return None


def _bits(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        dense = leaf.detach().to_dense()
        dense = torch.view_as_real(dense) if dense.is_complex() else dense
        # Into a new one, as a vector of one entry keeps any stride.
        raw = dense.new_empty(dense.numel()).copy_(dense.reshape(-1)).view(torch.uint8)
        layout = leaf.stride() if leaf.layout == torch.strided else leaf.layout
        return leaf.dtype, leaf.shape, layout, leaf.requires_grad, raw.numpy().tobytes()
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.str, leaf.shape, leaf.strides, leaf.tobytes()
    return type(leaf), repr(leaf)


def _is_finite(leaf: Any) -> bool:
    if isinstance(leaf, Tensor):
        return bool(leaf.detach().to_dense().isfinite().all())
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind not in "fc" or bool(np.isfinite(leaf).all())
    return not isinstance(leaf, (float, np.floating)) or bool(np.isfinite(leaf))


def _shown(value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        name, shape = type(value).__name__, list(value.shape)
        dense = value.detach().to_dense() if isinstance(value, Tensor) else value
        details = str(getattr(value, "layout", ""))
        if isinstance(value, Tensor) and value.requires_grad:
            details += " requires_grad"
        text = str(dense.tolist())
        text = text if len(text) < 300 else f"{text[:300]}..."
        return f"<{name} {value.dtype} {shape} {details} {text}>"
    if isinstance(value, Data):
        words = [f"{key}={_shown(part)}" for key, part in value.to_dict().items()]
        return f"{type(value).__name__}({', '.join(words)})"
    if isinstance(value, nx.Graph):
        edges = [*value.edges(data=True)]
        return f"{type(value).__name__}({[*value.nodes(data=True)]}, {edges})"
    if isinstance(value, dict):
        words = [f"{key!r}: {_shown(part)}" for key, part in value.items()]
        return f"{{{', '.join(words)}}}"
    text = repr(value)
    return text if len(text) < 500 else f"{text[:500]}..."
