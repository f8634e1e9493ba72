"""``modelheir average``: models of one network become one, by the way that the selection split prefers."""
