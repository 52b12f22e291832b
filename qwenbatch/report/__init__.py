"""What became of a manifest's items, for people and for spreadsheets."""
