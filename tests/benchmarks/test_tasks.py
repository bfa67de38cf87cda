import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing import Process
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from tasks import run_tasks

# Seconds that only what hangs takes, however slow the machine.
LIMIT = 300


def described(first, second):
    return first + second, torch.get_num_threads(), os.getpid()


def refuse(value):
    raise LookupError(f"no {value}")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_in_one_thread(processes):
    threads = torch.get_num_threads()
    tasks = [(1, 2), (3, 4), (5, 6)]
    try:
        results = dict(run_tasks(described, tasks, processes, "sums"))
    finally:
        torch.set_num_threads(threads)
    assert {task: result[0] for task, result in results.items()} == {
        task: sum(task) for task in tasks
    }
    assert {result[1] for result in results.values()} == {1}
    in_this_process = {result[2] == os.getpid() for result in results.values()}
    assert in_this_process == {processes == 1}


def pid_then_wait(path):
    path.write_text(str(os.getpid()))
    time.sleep(10 * LIMIT)


def has_started(path):
    return path.exists() and path.read_text() != ""


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before or while it is read
        return False
    return "Z" not in stat.rpartition(")")[2].split()


def wait_until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_with_a_killed_process(tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]
    process = Process(
        target=lambda: list(
            run_tasks(pid_then_wait, [(path,) for path in paths], 2, "waiting")
        )
    )
    process.start()
    try:
        wait_until(lambda: all(map(has_started, paths)))
        workers = [int(path.read_text()) for path in paths]
        assert all(map(is_running, workers))
    finally:
        process.kill()
    wait_until(lambda: not any(map(is_running, workers)))


def interrupt_first_kill():
    """Another Ctrl-C, at the worst moment."""
    kill = BaseProcess.kill

    def interrupted(worker):
        BaseProcess.kill = kill
        signal.raise_signal(signal.SIGINT)
        kill(worker)

    BaseProcess.kill = interrupted


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_ctrl_c_twice_ends_everything(tmp_path, pause):
    paths = [tmp_path / str(number) for number in range(6)]
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, tasks, test_tasks\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        f"    if {pause == 0}:\n"
        "        test_tasks.interrupt_first_kill()\n"
        "    waiting = [(Path(path),) for path in sys.argv[1:]]\n"
        "    list(tasks.run_tasks(test_tasks.pid_then_wait, waiting, 2, 'waiting'))\n"
    )
    folders = Path(__file__).parent, Path(run_tasks.__code__.co_filename).parent
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, paths)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_until(lambda: sum(map(has_started, paths)) >= 2)
        workers = [int(path.read_text()) for path in paths if path.exists()]
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)  # the workers hear it as well
            time.sleep(pause)
        # Its end is that of the last process that could write to it.
        _, messages = process.communicate(timeout=LIMIT)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in messages
    wait_until(lambda: not any(map(is_running, workers)))
    # No task that was still waiting has begun.
    assert sum(path.exists() for path in paths) == 2


def test_nothing_to_do():
    assert list(run_tasks(described, [], 2, "sums")) == []


def test_an_error_comes_through():
    with pytest.raises(LookupError, match="no such"):
        list(run_tasks(refuse, [("such",)], 2, "errors"))
