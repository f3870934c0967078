"""The commands: each reads its options, calls the library, prints, and sets the exit status."""
