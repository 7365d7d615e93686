"""The readers' page: Streamlit over the schema `published`. An analyst changes a figure in `queries/*.sql`."""
