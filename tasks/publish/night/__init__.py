"""What a night does of publishing: rows as a release would hold them."""
