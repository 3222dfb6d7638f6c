"""Which shortcuts a data set offers."""
