"""Who may do what: four group roles of a warehouse, as SQL that a DBA can review."""
