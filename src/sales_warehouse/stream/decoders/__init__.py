"""From the value of a message to the JSON object that becomes rows. Nothing here knows the consumer or the ledger."""
