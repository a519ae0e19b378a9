"""The forms that documents have: each reads branches with the metadata beside them, and writes branches."""
