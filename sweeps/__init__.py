"""The study file, the protocol, Ray Tune, MLflow recording and the command line."""
