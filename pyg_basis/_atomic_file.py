import errno
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copymode, rmtree
from tempfile import TemporaryDirectory

# What only writing raises, without a name.
NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same name, and moves what was written there to
    ``path`` at the end. After an error nothing of it is left, and an earlier file
    stays as it was. Of several writers, each moves a whole file.

    A symbolic link is kept, and its target is written. A file that is replaced keeps
    its permissions. A new one gets the usual ones. What processes of this machine that
    were killed have left of it is removed.

    Raises:
        OSError: If the folder does not exist or cannot be written to, the disk is full,
            or there is something else than a file. It names the path.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        code = errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(code, "Not a file, choose another path", str(path))
    # A name may be as long as names can be.
    prefix = f".{target.name[:50]}-{_machine()}-"
    try:
        # In the same folder: only within one file system does a file move in one step.
        own = f"{prefix}{os.getpid()}-"
        with TemporaryDirectory(dir=target.parent, prefix=own) as folder:
            _remove_abandoned(target.parent, prefix)
            temporary = Path(folder) / Path(path).name
            yield temporary
            # Else a power cut could leave the name of the earlier file to an empty
            # one. The folder may wait: its entry is the earlier file or the new one.
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
    """Removes the folders of processes that are gone: none could tidy up after being
    killed."""
    if os.name != "posix":
        return  # where to ask for a process would end it
    with suppress(OSError):  # a folder may be written to and not be read
        for folder in list(parent.iterdir()):
            process = folder.name.removeprefix(prefix).partition("-")[0]
            if folder.name.startswith(prefix) and not _runs(process):
                rmtree(folder, ignore_errors=True)


def _runs(process: str) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):  # of another user; another folder
        pass
    return True


def _machine() -> str:
    """What processes of one number are the same process in: the machine since it was
    started, and the container."""
    name = platform.node()
    with suppress(OSError):
        name += Path("/proc/sys/kernel/random/boot_id").read_text()
        name += str(os.stat("/proc/self/ns/pid").st_ino)
    return hashlib.sha256(name.encode()).hexdigest()[:12]
