"""What ``modelheir compare`` says on the terminal, and its calls that ask for labels."""
