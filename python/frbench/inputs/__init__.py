"""Reads what users give: texts, tables, matrices, files in object stores."""
