from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

import torch


def load_torch_file(file: str | Path | IO[bytes], mmap: bool = False) -> Any:
    """What :func:`torch.save` wrote, on the CPU. No code from the file is run, and
    what is read of it is no larger than the file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is of another kind, damaged, or holds other objects than
            tensors, numbers, strings and what is made of them.
    """
    try:
        with ZipFile(file) as archive:
            # torch.save does not compress. What expands, or is in the file once and in
            # the archive many times, could fill the memory.
            entries = archive.infolist()
            is_stored = all(entry.compress_type == ZIP_STORED for entry in entries)
            if not is_stored or sum(e.file_size for e in entries) > archive.start_dir:
                raise ValueError("the archive holds more than its file")
        if not isinstance(file, (str, Path)):
            file.seek(0)
        return torch.load(file, map_location="cpu", mmap=mmap, weights_only=True)
    except OSError:
        raise
    except Exception as error:
        # Not in the words of torch, which advise to run the code of the file.
        raise ValueError(
            "it is no whole file of tensors, numbers and strings that torch.save wrote"
        ) from error
