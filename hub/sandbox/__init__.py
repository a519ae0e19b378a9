"""A fleet in a box: in-memory API servers, exact enough for the clients people use, for trying, tests and benches."""
