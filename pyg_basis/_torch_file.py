from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

import torch


def load_torch_file(file: str | Path | IO[bytes], mmap: bool = False) -> Any:
    """Loads a file of :func:`torch.save` to the CPU. No code from the file is run, and
    the result is no larger than the file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it has another type, is damaged, or contains other objects than
            tensors, numbers, strings and containers of them.
    """
    try:
        with ZipFile(file) as archive:
            # torch.save does not compress. Entries that expand, or that the archive
            # lists several times, could fill the memory.
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
        # torch's own message advises to run the code of the file.
        raise ValueError(
            "it is no whole file of tensors, numbers and strings that torch.save wrote"
        ) from error
