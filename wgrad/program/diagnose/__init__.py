"""What compiled programs do, in numbers, and where one goes wrong."""
