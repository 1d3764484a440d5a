"""What commands show: text for people, JSON for programs, and progress."""
