"""Log folders that were tampered with, through every command."""
