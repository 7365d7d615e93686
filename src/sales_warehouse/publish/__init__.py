"""Publications: publish, list, roll back and prune. Functions in the database do the work, see sql/."""
