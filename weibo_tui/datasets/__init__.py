"""Tables of posts: reading, auditing, splitting and writing them."""
