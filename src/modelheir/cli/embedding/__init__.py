"""``modelheir embed``: its words."""
