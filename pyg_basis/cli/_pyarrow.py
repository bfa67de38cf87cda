def require_pyarrow() -> None:
    """Raises an ImportError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(
            ".parquet files need pyarrow, which is not installed: pip install pyarrow"
        ) from error
