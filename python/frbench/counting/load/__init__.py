"""Measures how long a server takes to answer while requests keep coming, by probe group."""
