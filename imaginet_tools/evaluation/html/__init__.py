"""The report as one page for a browser, from a finished ``report.json``."""
