import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class CsvTable:
    """A .csv file, with the names of its columns if it has a header: a first line
    without a number, or of the numbers 0, 1, 2, ..., which pandas names columns by.
    Above a single column 0 is a value, as the first of many files of labels is.

    Raises:
        ValueError: If the file is empty or no text, or its first line has both names
            and numbers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        line, first = next(self._lines(), (0, []))
        if not first:
            raise ValueError(f"{str(path)!r} is empty: it must have a row a point")
        texts = [cell for cell in first if not _is_number(cell)]
        is_counted = first == [str(column) for column in range(len(first))]
        is_header = len(texts) == len(first) or (is_counted and len(first) > 1)
        self.names = first if is_header else []
        self.width = len(first)
        if texts and not self.names:
            raise ValueError(
                f"{str(path)!r}, line {line}: {texts[0]!r} stands beside numbers: "
                f"the first line must be all names or all numbers"
            )

    @property
    def features(self) -> list[str]:
        """The names of the columns that are features unless others are chosen.

        Raises:
            ValueError: If one has no name, as an index that pandas wrote.
        """
        if "" in self.names:
            raise ValueError(
                f"{str(self.path)!r}, column {self.names.index('') + 1} has no name "
                f"and may be an index: choose columns with --columns, or name it"
            )
        return self.names

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The columns of these names as numbers, all columns if none are named.

        Raises:
            ValueError: If a cell is no number, or lines differ in length.
        """
        where = [self.names.index(name) for name in names] or range(self.width)
        numbers = array("d")  # a list of Python's floats takes four times the memory
        for line, row in self._rows():
            try:
                numbers.extend([float(row[column]) for column in where])
            except ValueError as error:
                column = next(i for i in where if not _is_number(row[i]))
                name = f" ({self.names[column]!r})" if self.names else ""
                raise ValueError(
                    f"{str(self.path)!r}, line {line}, column {column + 1}{name}: "
                    f"{row[column]!r} is no number: mend it, or choose columns of "
                    f"numbers with --columns"
                ) from error
        return np.frombuffer(numbers, dtype=np.float64).reshape(-1, len(where))

    def column(self, name: str | None) -> NDArray[np.str_] | NDArray[np.float64]:
        """The column of this name, or the only one, as numbers if it holds nothing
        else.

        Raises:
            ValueError: If it is not named and there are others, or lines differ in
                length.
        """
        if name is None and self.width != 1:
            raise ValueError(
                f"{str(self.path)!r} has {self.width} columns: labels must be one"
            )
        where = 0 if name is None else self.names.index(name)
        texts = np.array([row[where] for _, row in self._rows()])
        try:
            return texts.astype(np.float64)
        except ValueError:
            return texts

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The lines of values, with their numbers."""
        lines = self._lines()
        if self.names:
            next(lines)
        for line, row in lines:
            if len(row) != self.width:
                raise ValueError(
                    f"{str(self.path)!r}, line {line} has {len(row)} cells, the first "
                    f"has {self.width}: all lines must have as many"
                )
            yield line, row

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        with open(self.path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            try:
                yield from ((reader.line_num, row) for row in reader if row)
            except (UnicodeDecodeError, csv.Error) as error:
                raise ValueError(
                    f"{str(self.path)!r} is no .csv in UTF-8 ({error}): write it again"
                ) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
