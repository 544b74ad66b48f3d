"""Words on a command line -> options -> what is asked for."""
