"""A detector as a page in a browser: `imaginet app`."""
