"""A pilot: small paired runs with and without the teacher, and a forecast of what the whole training would gain."""
