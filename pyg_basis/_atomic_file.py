import errno
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copymode, rmtree
from tempfile import TemporaryDirectory

# Errors of writing that do not name a file.
NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same name, and finally moves the file written
    there to ``path``. After an error, nothing of it remains, and an earlier file is
    unchanged. Concurrent writers each move a complete file.

    A symbolic link is kept, and its target is replaced. A replaced file keeps its
    permissions; a new one has the default ones. Leftovers of killed processes of this
    machine are removed.

    Raises:
        OSError: If the folder does not exist or cannot be written to, the disk is full,
            or the path exists and is not a file. The error names the path.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        code = errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(code, "Not a file, choose another path", str(path))
    # The name may already have the maximum length.
    prefix = f".{target.name[:50]}-{_machine()}-"
    try:
        # In the same folder: a move is atomic only within one file system.
        own = f"{prefix}{os.getpid()}-"
        with TemporaryDirectory(dir=target.parent, prefix=own) as folder:
            _remove_abandoned(target.parent, prefix)
            temporary = Path(folder) / Path(path).name
            yield temporary
            # Otherwise a power failure could leave an empty file. The folder need not
            # be synchronized: its entry is the earlier file or the new one.
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                copymode(target, temporary)
            temporary.replace(target)
    except OSError as error:
        is_temporary = str(error.filename).startswith(str(target.parent / prefix))
        if is_temporary or (error.filename is None and error.errno in NO_SPACE):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _remove_abandoned(parent: Path, prefix: str) -> None:
    """Removes the folders of processes that have ended: a killed process cannot clean
    up."""
    if os.name != "posix":
        return  # os.kill would end the process there
    with suppress(OSError):  # a folder may be writable but not readable
        for folder in list(parent.iterdir()):
            process = folder.name.removeprefix(prefix).partition("-")[0]
            if folder.name.startswith(prefix) and not _runs(process):
                rmtree(folder, ignore_errors=True)


def _runs(process: str) -> bool:
    """Whether a process with this ID exists."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):  # another user's process; another folder
        pass
    return True


def _machine() -> str:
    """Identifies the scope of process IDs: the machine since its last boot, and the
    container."""
    name = platform.node()
    with suppress(OSError):
        name += Path("/proc/sys/kernel/random/boot_id").read_text()
        name += str(os.stat("/proc/self/ns/pid").st_ino)
    return hashlib.sha256(name.encode()).hexdigest()[:12]
