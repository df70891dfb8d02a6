"""Results of info, query, compare, verify and preview, as values that the command line prints."""
