"""The lake: raw rows and ledger as Parquet, in Iceberg tables whose catalogue is in the warehouse's own database."""
