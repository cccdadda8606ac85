"""Say what is simulated: one module per kind of statistic, each with a tuple ``TABLES``."""
