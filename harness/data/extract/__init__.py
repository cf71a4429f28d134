"""data/extract: reads rows from files, databases and services into a Table."""
