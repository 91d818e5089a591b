"""The demonstration: a simulated month of the city through the real pipeline."""
