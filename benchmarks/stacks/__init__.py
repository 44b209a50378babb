"""Ways to do the work of `benchmarks.workload`: each module is one, written as its own users write it."""
