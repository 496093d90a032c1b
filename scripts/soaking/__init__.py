"""Lives of the runs that the soak script disturbs."""
