"""What readers see: publications, and the way back. The work is done by functions of the ledger in the database."""
