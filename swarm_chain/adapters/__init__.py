"""What talks to the outside: chains, stores, trainers. Import the one you use; nothing is imported here."""
