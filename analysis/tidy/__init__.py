"""Read results that come from elsewhere: tables with one row per run, and one row per evaluation if there are any."""

from analysis.tidy.options import TableOptions
from analysis.tidy.problems import TableError
from analysis.tidy.reading import read_table

__all__ = ["TableError", "TableOptions", "read_table"]
