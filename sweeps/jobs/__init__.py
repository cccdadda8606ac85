"""A launch on a cluster from a machine outside it: submitted through Ray's Jobs API, followed and stopped by name."""
