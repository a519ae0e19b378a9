"""Services that keep keys which never leave them: each opens what is encrypted with one, for whoever it knows. One file per service."""
