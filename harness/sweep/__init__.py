"""Many runs from one command line."""
