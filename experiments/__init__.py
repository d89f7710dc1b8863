"""The long runs behind the lessons' tables, by method."""
