"""Render what commands print: text for people, JSON for programs, and progress."""
