"""One batch, one way: parse, enrich, detect, store, alert; it comes back only as a checkpoint."""
