import json

import numpy as np
import pytest

from benchmarks.data.word_vectors import load_word_vectors


def test_rows_are_in_the_order_of_the_words_without_what_follows(tmp_path) -> None:
    content = {
        "dimensions": 2,
        "words": ["the", ","],
        "vectors": {",": [3, -4, 5, 1], "the": [0.5, 0, 0.5, 0]},
    }
    path = tmp_path / "words.json"
    path.write_text(json.dumps(content))
    x = load_word_vectors(path, tmp_path / "cache")
    assert x.dtype == np.float32
    assert x.tolist() == [[0.5, 0], [3, -4]]
    path.unlink()  # it was read once
    assert np.array_equal(load_word_vectors(path, tmp_path / "cache"), x)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no_words"):
        load_word_vectors(tmp_path / "no_words.json", tmp_path)
