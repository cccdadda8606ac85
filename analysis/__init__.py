"""Statistics and reports on the records of a study; usable without Ray, torch or MLflow."""
