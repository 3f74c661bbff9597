"""What a next release might bring: settings and migrations on top of those that there are."""
