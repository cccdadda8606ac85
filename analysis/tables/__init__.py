"""Turn a study's record into rows of plain values, from which every output is made."""
