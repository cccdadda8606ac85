"""Networks, data sets and the training loop."""
