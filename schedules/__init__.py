"""Learning-rate schedules and momentum policies as pure, frozen values."""
