"""Kill what a study runs on, at random seeded moments, and look whether its record is what it should be."""
