"""The anomaly model: who left their own habit. See docs/anomaly.md."""
