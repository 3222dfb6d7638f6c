"""A detector as an HTTP service: `imaginet serve`."""
