"""What a sweep leaves for its reader: result, table of trials, and one page that needs no network."""
